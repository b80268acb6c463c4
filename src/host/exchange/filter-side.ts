import type { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { DataStatus, HeadersStatus, HttpFilter, TrailersStatus } from "../http-filter.ts";

/** The phase of one half in which a filter holds the stream. */
export type Phase = "headers" | "body" | "trailers";

/** How far a filter lets its half run: on, not past itself, or not even into itself. */
export type Iteration = "continue" | "stop-single" | "stop-all-buffer" | "stop-all-watermark";

/** One filter in one half (request or response) of a stream: its place, its state, its three callbacks. */
export abstract class FilterSide {
  readonly filter: HttpFilter;
  /** Place in the order in which this half asks its filters. */
  readonly index: number;
  iteration: Iteration = "continue";
  /** Where it stopped; has a meaning unless `iteration` is `continue`. */
  stoppedIn: Phase = "headers";
  /** The headers have come to this filter. */
  sawHeaders = false;
  /** They went on to the next one. */
  headersContinued = false;
  /** It was told the end. */
  endStream = false;
  /** While taken up after a stop of everything: this filter has still to see what was held. */
  fromHere = false;
  /** It made trailers in its body callback. */
  madeTrailers = false;
  /** Its headers callback is under way. */
  inHeaders = false;
  /** Its trailers callback is under way. */
  inTrailers = false;
  /** How often it was given what is held from within its own `continue`. */
  circles = 0;
  /** `continue` was asked for from within the headers callback. */
  continueAsked = false;

  constructor(filter: HttpFilter, index: number) {
    this.filter = filter;
    this.index = index;
  }

  get stoppedAll(): boolean {
    return this.iteration === "stop-all-buffer" || this.iteration === "stop-all-watermark";
  }

  stop(iteration: Iteration, phase: Phase): void {
    this.iteration = iteration;
    this.stoppedIn = phase;
  }

  abstract headers(headers: HeaderMap, endStream: boolean): HeadersStatus;
  abstract data(data: BodyBuffer, endStream: boolean): DataStatus;
  abstract trailers(trailers: HeaderMap): TrailersStatus;
}

/** A filter in the request half. */
export class DecodeSide extends FilterSide {
  headers(headers: HeaderMap, endStream: boolean): HeadersStatus {
    return this.filter.decodeHeaders(headers, endStream);
  }
  data(data: BodyBuffer, endStream: boolean): DataStatus {
    return this.filter.decodeData(data, endStream);
  }
  trailers(trailers: HeaderMap): TrailersStatus {
    return this.filter.decodeTrailers(trailers);
  }
}

/** A filter in the response half. */
export class EncodeSide extends FilterSide {
  headers(headers: HeaderMap, endStream: boolean): HeadersStatus {
    return this.filter.encodeHeaders(headers, endStream);
  }
  data(data: BodyBuffer, endStream: boolean): DataStatus {
    return this.filter.encodeData(data, endStream);
  }
  trailers(trailers: HeaderMap): TrailersStatus {
    return this.filter.encodeTrailers(trailers);
  }
}
