import type { Http2Stream } from "node:http2";
import { lowerNames } from "./flat-headers.ts";
import { NO_BYTES } from "./http-side.ts";
import type { FlatHeaders } from "./messages.ts";

/** Who is told of a body. */
export interface PieceEvents {
  data(bytes: Uint8Array, end: boolean): void;
  trailers(trailers: FlatHeaders): void;
}

/**
 * Reads the body of an HTTP/2 stream so that the last piece says that it is the last, as it does on the wire: Node tells
 * the end apart from it, a moment later. So a piece is held until the next event, for one turn of the event loop at most.
 */
export class LastPieceReader {
  readonly #stream: Http2Stream;
  readonly #events: PieceEvents;
  #held: Uint8Array | undefined;
  #trailers: FlatHeaders | undefined;
  #timer: NodeJS.Immediate | undefined;

  constructor(stream: Http2Stream, events: PieceEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  start(): void {
    this.#stream.on("data", (piece: Buffer) => {
      this.#flush();
      this.#held = piece;
      this.#timer = setImmediate(() => this.#flush());
    });
    this.#stream.on("trailers", (_headers, _flags, raw?: readonly string[]) => {
      this.#trailers = lowerNames(raw ?? []);
    });
    this.#stream.on("end", () => this.#end());
    this.#stream.on("close", () => clearImmediate(this.#timer));
  }

  #flush(): void {
    clearImmediate(this.#timer);
    const piece = this.#held;
    this.#held = undefined;
    if (piece !== undefined) this.#events.data(piece, false);
  }

  #end(): void {
    if (this.#trailers !== undefined && this.#trailers.length > 0) {
      this.#flush();
      this.#events.trailers(this.#trailers);
      return;
    }
    clearImmediate(this.#timer);
    const piece = this.#held ?? NO_BYTES;
    this.#held = undefined;
    this.#events.data(piece, true);
  }
}
