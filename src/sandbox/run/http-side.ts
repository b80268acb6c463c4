import type { Connection, FlatHeaders, UpstreamFault } from "./messages.ts";

/** What can be written to one end of a stream. After `end`, trailers or `reset` nothing more is written. */
export interface BodyWriter {
  /** False when the other side is slow: go on when `drained` is told. */
  data(bytes: Uint8Array, end: boolean): boolean;
  trailers(trailers: FlatHeaders): void;
  /** Breaks the stream off; nothing is told of it any more. */
  reset(): void;
}

/** What comes from one end of a stream. */
export interface BodyEvents {
  data(bytes: Uint8Array, end: boolean): void;
  trailers(trailers: FlatHeaders): void;
  /** What was written has left: more may be. */
  drained(): void;
}

/** The client of one request. */
export interface Downstream extends BodyWriter {
  headers(headers: FlatHeaders, end: boolean): void;
  /** Stops and goes on with reading the body. */
  pause(paused: boolean): void;
}

/** What a client tells. */
export interface DownstreamEvents extends BodyEvents {
  /** It left before the end of the response, or broke the request off. */
  gone(): void;
}

/** A request as it came in. */
export interface RequestHead {
  readonly headers: FlatHeaders;
  /** No body follows. */
  readonly end: boolean;
  readonly protocol: "HTTP/1.1" | "HTTP/2";
  readonly from: Connection;
}

/** A request on its way to an upstream. */
export interface UpstreamCall extends BodyWriter {
  pause(paused: boolean): void;
}

/** What an upstream tells of one request; `fault` is the last. */
export interface UpstreamEvents extends BodyEvents {
  headers(headers: FlatHeaders, end: boolean): void;
  fault(kind: UpstreamFault): void;
}

/** Where requests go. */
export interface Upstream {
  /** As people know it: `http://127.0.0.1:3000`, `echo`. */
  readonly name: string;
  /** Never tells anything before it returned. */
  send(headers: FlatHeaders, end: boolean, events: UpstreamEvents): UpstreamCall;
  /** Lets idle connections go. */
  close(): void;
}

/** An empty piece: the last one of a body whose end comes alone. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);
