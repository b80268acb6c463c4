import type { FlatHeaders, StreamEnd, UpstreamFault } from "./messages.ts";

/** Looks on at one stream: what the access log and the recorder are made of. May change nothing, keeps no bytes as they are. */
export interface StreamObserver {
  request(headers: FlatHeaders, end: boolean): void;
  requestData(bytes: Uint8Array, end: boolean): void;
  requestTrailers(trailers: FlatHeaders): void;
  /** What the upstream got. */
  forwarded(headers: FlatHeaders, end: boolean): void;
  forwardedData(bytes: Uint8Array, end: boolean): void;
  forwardedTrailers(trailers: FlatHeaders): void;
  /** What the upstream answered. */
  answer(headers: FlatHeaders, end: boolean): void;
  answerData(bytes: Uint8Array, end: boolean): void;
  answerTrailers(trailers: FlatHeaders): void;
  fault(kind: UpstreamFault): void;
  /** What the client got. */
  response(headers: FlatHeaders, end: boolean): void;
  responseData(bytes: Uint8Array, end: boolean): void;
  responseTrailers(trailers: FlatHeaders): void;
  clientGone(): void;
  /** Something that could not be written as it was asked. */
  problem(error: unknown): void;
  ended(end: StreamEnd): void;
}
