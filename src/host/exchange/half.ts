import { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { DataStatus, HeadersStatus, TrailersStatus } from "../http-filter.ts";
import type { FilterSide, Phase } from "./filter-side.ts";
import { HeldBody } from "./held-body.ts";

/** What one half of a stream needs of the whole of it. */
export interface HalfOwner {
  /** The maps as they stand; filters change them in place. */
  headers(): HeaderMap | undefined;
  trailers(): HeaderMap | undefined;
  /** The sender of this half said its last. */
  complete(): boolean;
  /** False when nothing of this half may move any more. */
  open(): boolean;
  /** Called when a filter has answered: true when the filter ended or replaced what was under way. */
  interrupted(): boolean;
  /** The far end of the half: the router or the client. */
  deliverHeaders(headers: HeaderMap, endStream: boolean): void;
  deliverData(data: BodyBuffer, endStream: boolean): void;
  deliverTrailers(trailers: HeaderMap): void;
  /** The held body exceeds the limit, or is down to half of it again. */
  crossedWatermark(above: boolean): void;
  /** A filter's callback begins or ends. */
  calling(begins: boolean): void;
  /** A filter that let the trailers pass asked for `continue`. */
  continuedAfterTrailers?(): void;
  /** A filter made trailers and then held the piece they belong to. */
  trailersHeld?(): void;
  /** A filter asked for `continue` in its headers callback and then answered Continue: everything would go out twice. */
  continuedTwice(side: FilterSide): void;
  /** A filter asks for `continue` whenever it is given what was held, which gives it the same again, without end. */
  continuedInCircle(): void;
}

/** One half of a stream on its way through the filters: the iteration of Envoy's filter manager, the same in both directions. */
export class Half {
  readonly sides: readonly FilterSide[];
  readonly held: HeldBody;
  readonly #owner: HalfOwner;

  constructor(sides: readonly FilterSide[], owner: HalfOwner, limit: number) {
    this.sides = sides;
    this.#owner = owner;
    this.held = new HeldBody(limit, (above) => owner.crossedWatermark(above));
  }

  /** The phases in which filters hold this half, each once. */
  get paused(): Phase[] {
    const phases = this.sides.filter((side) => side.iteration !== "continue").map((side) => side.stoppedIn);
    return [...new Set(phases)];
  }

  /** Runs headers through the filters after `from`, or through all. */
  headers(from: FilterSide | undefined, headers: HeaderMap, endStream: boolean): void {
    let bodyAddedBy: FilterSide | undefined;
    for (const side of this.#after(from, false)) {
      side.endStream = endStream && bodyAddedBy === undefined;
      const status = this.#callHeaders(side, headers);
      if (this.#owner.interrupted()) {
        side.stop("stop-single", "headers");
        return;
      }
      if (!this.#afterHeaders(side, status)) {
        if (bodyAddedBy !== undefined) this.#resume(bodyAddedBy);
        return;
      }
      if (endStream && this.held.buffer !== undefined) bodyAddedBy ??= side;
    }
    this.#owner.deliverHeaders(headers, endStream && bodyAddedBy === undefined);
    if (bodyAddedBy !== undefined) this.#resume(bodyAddedBy);
  }

  /** Runs a piece of the body through the filters after `from` (or from it on, see `fromHere`), or through all. */
  data(from: FilterSide | undefined, data: BodyBuffer, endStream: boolean): void {
    if (!this.#owner.open()) return;
    const hadTrailers = this.#owner.trailers() !== undefined;
    let trailersAddedBy: FilterSide | undefined;
    for (const side of this.#after(from, true)) {
      if (this.#keptFrom(side, data)) return;
      side.endStream = endStream && this.#owner.trailers() === undefined;
      const status = this.#callData(side, data);
      if (this.#owner.interrupted()) return;
      if (!hadTrailers && this.#owner.trailers() !== undefined) trailersAddedBy ??= side;
      if (!this.#afterData(side, status, data)) return;
    }
    this.#owner.deliverData(data, endStream && trailersAddedBy === undefined);
    this.held.watch();
    if (trailersAddedBy !== undefined) this.#trailersBehind(trailersAddedBy);
  }

  /** Runs trailers through the filters after `from` (or from it on), or through all. */
  trailers(from: FilterSide | undefined, trailers: HeaderMap): void {
    if (!this.#owner.open()) return;
    for (const side of this.#after(from, true)) {
      if (side.stoppedAll) return;
      const status = this.#callTrailers(side, trailers);
      side.endStream = true;
      if (this.#owner.interrupted() || !this.#afterTrailers(side, status)) return;
    }
    this.#owner.deliverTrailers(trailers);
  }

  /**
   * Takes the half up again behind a filter that stopped it, with what was held. Asked for from within the filter's own
   * headers callback it waits for the answer: Envoy sends on at once, and twice when the answer is Continue. Where the
   * filter stopped nothing, what is held goes to the next one all the same, if only as an empty piece.
   */
  continue(side: FilterSide): void {
    if (side.inHeaders) side.continueAsked = true;
    else if (side.iteration !== "continue") this.#continueFrom(side);
    else if (side.sawHeaders && this.#owner.open()) {
      if (side.endStream && this.#owner.trailers() !== undefined) this.#owner.continuedAfterTrailers?.();
      this.#sendHeldAgain(side);
    }
  }

  /** Adds a piece to what is held; from within a trailers callback that stopped nothing it goes to the next filters at once. */
  add(side: FilterSide, data: BodyBuffer): void {
    if (side.inTrailers && side.iteration === "continue") {
      this.data(side, data, false);
      return;
    }
    this.held.streaming = false;
    this.held.hold(data);
  }

  #continueFrom(side: FilterSide): void {
    const owner = this.#owner;
    if (!owner.open()) return;
    side.fromHere = side.stoppedAll;
    side.iteration = "continue";
    const headers = owner.headers();
    if (!side.headersContinued && headers !== undefined) {
      side.headersContinued = true;
      const bare = owner.complete() && this.held.buffer === undefined && owner.trailers() === undefined;
      this.headers(side, headers, bare);
    }
    // Trailers that a filter adds to the last piece below are sent on with that piece.
    const hadTrailers = owner.trailers() !== undefined;
    this.#sendHeld(side);
    if (hadTrailers) this.#trailersBehind(side);
    side.fromHere = false;
  }

  #sendHeldAgain(side: FilterSide): void {
    if (side.circles === MAX_CIRCLES) {
      this.#owner.continuedInCircle();
      return;
    }
    side.circles += 1;
    this.#sendHeld(side);
    side.circles -= 1;
  }

  #sendHeld(side: FilterSide): void {
    const { buffer } = this.held;
    const last = this.#owner.complete() && this.#owner.trailers() === undefined;
    if (buffer !== undefined) this.data(side, buffer, last);
  }

  /** Sends on the body a filter made for headers that had none. */
  #resume(side: FilterSide): void {
    if (!this.#owner.open()) return;
    side.iteration = "stop-single";
    this.#continueFrom(side);
  }

  #trailersBehind(side: FilterSide): void {
    const trailers = this.#owner.trailers();
    if (trailers !== undefined) this.trailers(side, trailers);
  }

  #after(from: FilterSide | undefined, fromHere: boolean): readonly FilterSide[] {
    if (from === undefined) return this.sides;
    return this.sides.slice(fromHere && from.fromHere ? from.index : from.index + 1);
  }

  /** True when the piece goes no further than to the filter before: this one stopped everything, or was told the end. */
  #keptFrom(side: FilterSide, data: BodyBuffer): boolean {
    if (!side.stoppedAll) return side.endStream;
    this.held.streaming = side.iteration === "stop-all-watermark";
    this.held.hold(data);
    return true;
  }

  #callHeaders(side: FilterSide, headers: HeaderMap): HeadersStatus {
    side.sawHeaders = true;
    side.inHeaders = true;
    this.#owner.calling(true);
    try {
      return side.headers(headers, side.endStream);
    } finally {
      this.#owner.calling(false);
      side.inHeaders = false;
    }
  }

  #callData(side: FilterSide, data: BodyBuffer): DataStatus {
    this.#owner.calling(true);
    try {
      const status = side.data(data, side.endStream);
      this.held.watch();
      return status;
    } finally {
      this.#owner.calling(false);
    }
  }

  #callTrailers(side: FilterSide, trailers: HeaderMap): TrailersStatus {
    side.inTrailers = true;
    this.#owner.calling(true);
    try {
      const status = side.trailers(trailers);
      this.held.watch();
      return status;
    } finally {
      this.#owner.calling(false);
      side.inTrailers = false;
    }
  }

  /** True when the next filter is to be asked. */
  #afterHeaders(side: FilterSide, status: HeadersStatus): boolean {
    const asked = side.continueAsked;
    side.continueAsked = false;
    if (asked && status === "continue") {
      this.#owner.continuedTwice(side);
      return false;
    }
    if (asked) this.#continueFrom(side);
    if (status === "continue") {
      side.headersContinued = true;
      return true;
    }
    side.stop(STOPS[status], "headers");
    return false;
  }

  #afterData(side: FilterSide, status: DataStatus, data: BodyBuffer): boolean {
    if (status === "continue") {
      if (side.iteration !== "stop-single") return true;
      this.held.hold(data);
      this.#continueFrom(side);
      return false;
    }
    side.stop("stop-single", "body");
    if (side.madeTrailers) this.#owner.trailersHeld?.();
    if (status !== "stop-no-buffer") {
      this.held.streaming = status === "stop-and-watermark";
      this.held.hold(data);
    } else if (this.#owner.complete() && this.#owner.trailers() === undefined) {
      // The end has still to be told when the filter goes on, if by an empty piece.
      this.held.buffer ??= new BodyBuffer();
    }
    // What was dropped is gone for the filter, too.
    if (status === "stop-no-buffer" && data !== this.held.buffer) data.take();
    return false;
  }

  #afterTrailers(side: FilterSide, status: TrailersStatus): boolean {
    if (status === "stop-iteration") {
      if (side.iteration === "continue") side.stop("stop-single", "trailers");
      return false;
    }
    if (side.iteration !== "stop-single") return true;
    this.#continueFrom(side);
    return false;
  }
}

/** How deep a filter may be given the same piece from within: no filter needs one, and a stack holds some thousand. */
const MAX_CIRCLES = 64;

const STOPS = {
  "stop-iteration": "stop-single",
  "stop-all-and-buffer": "stop-all-buffer",
  "stop-all-and-watermark": "stop-all-watermark",
} as const;
