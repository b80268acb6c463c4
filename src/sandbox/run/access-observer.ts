import { messageOf } from "../../domain/errors.ts";
import { headerOf } from "./flat-headers.ts";
import { flagNames } from "./response-flag-names.ts";
import type { FlatHeaders, StreamEnd, UpstreamFault } from "./messages.ts";
import type { StreamObserver } from "./stream-observer.ts";

/** One request, as an access log has it. */
export interface AccessRecord {
  readonly method: string;
  readonly path: string;
  readonly protocol: string;
  /** 0 when the client got no response. */
  readonly status: number;
  /** Of the body, from the client and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Milliseconds from the head of the request to the end of the stream. */
  readonly ms: number;
  /** Envoy's `response.code_details`: `via_upstream`. */
  readonly details: string | undefined;
  /** Envoy's response flags by their letters: `UF,URX`; empty when there is none. */
  readonly flags: string;
  /** Callbacks the stream was still paused in at its end. */
  readonly pausedIn: readonly string[];
  /** True when the client left first. */
  readonly clientGone: boolean;
}

/** Makes the access record of one stream. */
export class AccessObserver implements StreamObserver {
  readonly #started = performance.now();
  readonly #protocol: string;
  readonly #done: (record: AccessRecord) => void;
  readonly #onProblem: (message: string) => void;
  #method = "";
  #path = "";
  #status = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #gone = false;

  constructor(protocol: string, done: (record: AccessRecord) => void, onProblem: (message: string) => void) {
    this.#protocol = protocol;
    this.#done = done;
    this.#onProblem = onProblem;
  }

  request(headers: FlatHeaders, _end: boolean): void {
    this.#method = headerOf(headers, ":method") ?? "";
    this.#path = headerOf(headers, ":path") ?? "";
  }

  requestData(bytes: Uint8Array, _end: boolean): void {
    this.#bytesIn += bytes.length;
  }

  response(headers: FlatHeaders, _end: boolean): void {
    this.#status = Number(headerOf(headers, ":status") ?? 0);
  }

  responseData(bytes: Uint8Array, _end: boolean): void {
    this.#bytesOut += bytes.length;
  }

  clientGone(): void {
    this.#gone = true;
  }

  problem(error: unknown): void {
    this.#onProblem(`${this.#method} ${this.#path}: ${messageOf(error)}`);
  }

  ended({ code, details, flags, pausedIn }: StreamEnd): void {
    this.#done({
      method: this.#method,
      path: this.#path,
      protocol: this.#protocol,
      status: this.#status || (this.#gone ? 0 : (code ?? 0)),
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      ms: Math.round((performance.now() - this.#started) * 10) / 10,
      details,
      flags: flagNames(flags),
      pausedIn: pausedIn ?? [],
      clientGone: this.#gone,
    });
  }

  requestTrailers(_trailers: FlatHeaders): void {
    // Not in the log.
  }

  forwarded(_headers: FlatHeaders, _end: boolean): void {
    // Not in the log.
  }

  forwardedData(_bytes: Uint8Array, _end: boolean): void {
    // Not in the log.
  }

  forwardedTrailers(_trailers: FlatHeaders): void {
    // Not in the log.
  }

  answer(_headers: FlatHeaders, _end: boolean): void {
    // Not in the log.
  }

  answerData(_bytes: Uint8Array, _end: boolean): void {
    // Not in the log.
  }

  answerTrailers(_trailers: FlatHeaders): void {
    // Not in the log.
  }

  fault(_kind: UpstreamFault): void {
    // The flags tell it.
  }

  responseTrailers(_trailers: FlatHeaders): void {
    // Not in the log.
  }
}
