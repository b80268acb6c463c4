import type { Downstream } from "./http-side.ts";
import type { FlatHeaders } from "./messages.ts";
import type { StreamObserver } from "./stream-observer.ts";

/** Writes the response of one stream to its client; what comes after its end, or for a client that left, goes to the observer only. */
export class ResponseWriter {
  readonly #client: Downstream;
  readonly #observer: StreamObserver;
  #began = false;
  #done = false;

  constructor(client: Downstream, observer: StreamObserver) {
    this.#client = client;
    this.#observer = observer;
  }

  headers(headers: FlatHeaders, end: boolean): void {
    this.#observer.response(headers, end);
    this.#began = true;
    this.#write(end, () => this.#client.headers(headers, end));
  }

  /** False when the client is slow: go on when it is drained. */
  data(bytes: Uint8Array, end: boolean): boolean {
    this.#observer.responseData(bytes, end);
    if (this.#done) return true;
    this.#done = end;
    return this.#client.data(bytes, end);
  }

  trailers(trailers: FlatHeaders): void {
    this.#observer.responseTrailers(trailers);
    this.#write(true, () => this.#client.trailers(trailers));
  }

  /** Breaks the response off, unless it is whole. */
  reset(): void {
    if (this.#done) return;
    this.#done = true;
    this.#client.reset();
  }

  /** The client gets what a broken filter's streams get, or a broken connection when it has a part of an answer. */
  breakOff(): void {
    if (this.#done) return;
    if (this.#began) this.reset();
    else this.headers([":status", "503", "content-length", "0"], true);
  }

  /** The client left; false when the response was whole before. */
  gone(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#observer.clientGone();
    return true;
  }

  #write(end: boolean, write: () => void): void {
    if (this.#done) return;
    this.#done = end;
    try {
      write();
    } catch (error) {
      this.#observer.problem(error);
      this.#done = true;
      this.#client.reset();
    }
  }
}
