import type { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import { LengthGuard } from "./content-length.ts";
import type { HalfOwner } from "./half.ts";
import type { LiveStream } from "./live-stream.ts";
import { routeRequest } from "./request-rules.ts";

/** The request half's view of its stream; its far end is the router. */
export class RequestOwner implements HalfOwner {
  readonly #stream: LiveStream;
  #guard: LengthGuard | undefined;

  constructor(stream: LiveStream) {
    this.#stream = stream;
  }

  headers(): HeaderMap {
    return this.#stream.requestHeaders;
  }

  trailers(): HeaderMap | undefined {
    return this.#stream.requestTrailers;
  }

  complete(): boolean {
    return this.#stream.requestComplete;
  }

  open(): boolean {
    return !this.#stream.ended && !this.#stream.localComplete;
  }

  interrupted(): boolean {
    const stream = this.#stream;
    if (!stream.requestAborted) return stream.ended;
    stream.sendPrepared();
    return true;
  }

  calling(begins: boolean): void {
    this.#stream.requestCalls += begins ? 1 : -1;
  }

  deliverHeaders(headers: HeaderMap, endStream: boolean): void {
    const stream = this.#stream;
    if (!this.open()) return;
    const refusal = routeRequest(headers);
    if (refusal !== undefined) {
      stream.info.responseFlags |= refusal.flag;
      stream.sendLocalReply(refusal.reply);
      return;
    }
    stream.info.attemptCount = 1;
    stream.upstream.began = stream.options.clock.monotonic();
    if (endStream) stream.upstream.sentAll = stream.upstream.began;
    this.#guard = new LengthGuard(headers);
    stream.options.upstream.headers(headers, endStream);
  }

  deliverData(data: BodyBuffer, endStream: boolean): void {
    if (!this.#canSend()) return;
    const bytes = this.#guard?.take(data.take()) ?? NOTHING;
    if (endStream) this.#stream.upstream.sentAll = this.#stream.options.clock.monotonic();
    if (bytes.length > 0 || endStream) this.#stream.options.upstream.data(bytes, endStream);
  }

  deliverTrailers(trailers: HeaderMap): void {
    if (!this.#canSend()) return;
    this.#stream.upstream.sentAll = this.#stream.options.clock.monotonic();
    this.#stream.options.upstream.trailers(trailers);
  }

  crossedWatermark(above: boolean): void {
    const stream = this.#stream;
    if (stream.ended) return;
    if (!above || stream.request.held.streaming) {
      stream.options.downstream.pause(above);
      return;
    }
    stream.report("warning", "buffer-limit", "the request body held back exceeds the buffer limit: answered 413");
    stream.sendLocalReply(TOO_LARGE);
  }

  continuedAfterTrailers(): void {
    const message = "a filter continued a request whose trailers it had let pass: Envoy sends them twice";
    this.#stream.report("warning", "continue-after-trailers", message);
  }

  trailersHeld(): void {
    const message = "a filter added trailers to the request and held back the last piece of its body";
    this.#stream.report("warning", "trailers-lose-body", `${message}: Envoy sends the trailers and loses the piece`);
  }

  continuedInCircle(): void {
    const message = "a filter continued the request whenever it was given its body, which gives it the same again";
    this.#stream.fault("continue-in-circle", `${message}: Envoy never comes back`);
  }

  continuedTwice(): void {
    const message = "a filter continued the request in its headers callback and answered Continue as well";
    this.#stream.fault("continue-and-continue", `${message}: Envoy sends it twice, so the stream was ended`);
  }

  #canSend(): boolean {
    return this.open() && this.#stream.upstream.began !== undefined && this.#stream.upstream.sentAll === undefined;
  }
}

const NOTHING = new Uint8Array(0);

const TOO_LARGE: LocalReply = {
  status: 413,
  body: new TextEncoder().encode("Payload Too Large"),
  headers: [],
  grpcStatus: undefined,
  details: "request_payload_too_large",
};
