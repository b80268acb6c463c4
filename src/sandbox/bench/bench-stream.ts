import { BodyBuffer } from "../../host/body-buffer.ts";
import { HeaderMap } from "../../host/header-map.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { HttpFilter, HttpFilterCallbacks, LocalReply } from "../../host/http-filter.ts";
import { newStreamInfo, type StreamInfo } from "../../host/stream-info.ts";
import type { StreamShape } from "./stream-shape.ts";

/** The steps of a stream that are measured by themselves, in order. */
export const STEPS = [
  "create",
  "request headers",
  "request body",
  "request trailers",
  "response headers",
  "response body",
  "response trailers",
  "log",
  "delete",
] as const;

/** One of {@link STEPS}. */
export type Step = (typeof STEPS)[number];

/** The maps and bodies of a shape, to be copied for each stream. */
export interface PreparedShape {
  readonly shape: StreamShape;
  readonly requestHeaders: HeaderMap;
  readonly requestTrailers: HeaderMap | undefined;
  readonly responseHeaders: HeaderMap;
  readonly responseTrailers: HeaderMap | undefined;
}

/** Reads the headers of a shape once. */
export function prepareShape(shape: StreamShape): PreparedShape {
  const trailers = (flat: readonly string[] | undefined): HeaderMap | undefined =>
    flat === undefined ? undefined : HeaderMap.of("trailers", flat);
  return {
    shape,
    requestHeaders: HeaderMap.of("request", shape.requestHeaders),
    requestTrailers: trailers(shape.requestTrailers),
    responseHeaders: HeaderMap.of("response", shape.responseHeaders),
    responseTrailers: trailers(shape.responseTrailers),
  };
}

/**
 * One stream, driven callback by callback with as little around it as can be: what a filter manager does for one filter and
 * nothing more. A filter that pauses is not called until it resumes; one that answers itself sees its own response.
 */
export class BenchStream implements HttpFilterCallbacks {
  readonly info: StreamInfo;
  hasResponse = false;
  /** The phase in which the filter holds the stream. */
  pausedIn: Step | undefined;
  reply: LocalReply | undefined;
  wasReset = false;
  #filter: HttpFilter | undefined;
  readonly #prepared: PreparedShape;
  readonly #requestHeaders: HeaderMap;
  #responseHeaders: HeaderMap;
  #held: BodyBuffer | undefined;

  constructor(prepared: PreparedShape, now: bigint) {
    this.#prepared = prepared;
    this.info = newStreamInfo(now);
    this.#requestHeaders = prepared.requestHeaders.clone();
    this.#responseHeaders = prepared.responseHeaders.clone();
  }

  create(filter: HttpFilter): void {
    this.#filter = filter;
    filter.attach(this);
    filter.open?.();
  }

  requestHeaders(): void {
    const { requestBody, requestTrailers } = this.#prepared.shape;
    const end = requestBody.length === 0 && requestTrailers === undefined;
    if (this.#filter?.decodeHeaders(this.#requestHeaders, end) !== "continue") this.#pause("request headers");
  }

  requestBody(): void {
    const { requestBody, requestTrailers } = this.#prepared.shape;
    const last = requestTrailers === undefined ? requestBody.length - 1 : -1;
    for (const [index, piece] of requestBody.entries()) {
      if (this.#over || this.pausedIn === "request headers") return;
      const data = new BodyBuffer(piece);
      const answer = this.#filter?.decodeData(data, index === last);
      if (answer === "stop-and-buffer") this.#hold(data);
      if (answer === "continue") this.#went("request body");
      else this.#pause("request body");
    }
  }

  requestTrailers(): void {
    const trailers = this.#prepared.requestTrailers;
    if (trailers === undefined || this.#over || this.pausedIn === "request headers") return;
    this.#went("request body");
    if (this.#filter?.decodeTrailers(trailers.clone()) !== "continue") this.#pause("request trailers");
  }

  responseHeaders(): void {
    if (this.wasReset || (this.pausedIn !== undefined && this.reply === undefined)) return;
    this.pausedIn = undefined;
    this.#held = undefined;
    this.hasResponse = true;
    const { responseBody, responseTrailers } = this.#prepared.shape;
    const { reply } = this;
    const end =
      reply === undefined ? responseBody.length === 0 && responseTrailers === undefined : reply.body.length === 0;
    if (this.#filter?.encodeHeaders(this.#responseHeaders, end) !== "continue") this.#pause("response headers");
  }

  responseBody(): void {
    const { responseBody, responseTrailers } = this.#prepared.shape;
    const pieces = this.reply === undefined ? responseBody : [this.reply.body].filter((body) => body.length > 0);
    const last = responseTrailers === undefined || this.reply !== undefined ? pieces.length - 1 : -1;
    for (const [index, piece] of pieces.entries()) {
      if (this.wasReset || !this.hasResponse || this.pausedIn === "response headers") return;
      const data = new BodyBuffer(piece);
      const answer = this.#filter?.encodeData(data, index === last);
      if (answer === "stop-and-buffer") this.#hold(data);
      if (answer === "continue") this.#went("response body");
      else this.#pause("response body");
    }
  }

  responseTrailers(): void {
    const trailers = this.#prepared.responseTrailers;
    if (trailers === undefined || this.reply !== undefined || this.wasReset || !this.hasResponse) return;
    if (this.pausedIn === "response headers") return;
    this.#went("response body");
    if (this.#filter?.encodeTrailers(trailers.clone()) !== "continue") this.#pause("response trailers");
  }

  log(): void {
    this.#filter?.log({
      requestHeaders: this.#requestHeaders,
      responseHeaders: this.hasResponse ? this.#responseHeaders : undefined,
      responseTrailers: undefined,
    });
  }

  delete(): void {
    this.#filter?.destroy();
    this.#filter = undefined;
  }

  get #over(): boolean {
    return this.reply !== undefined || this.wasReset;
  }

  #pause(step: Step): void {
    this.pausedIn = step;
  }

  /** A later piece let go what an earlier one held. */
  #went(step: Step): void {
    if (this.pausedIn === step) this.pausedIn = undefined;
    this.#held = undefined;
  }

  #hold(data: BodyBuffer): void {
    if (data.length === 0) return;
    this.#held ??= new BodyBuffer();
    this.#held.moveFrom(data);
  }

  decodingBuffer(): BodyBuffer | undefined {
    return this.#held;
  }

  encodingBuffer(): BodyBuffer | undefined {
    return this.#held;
  }

  addDecodedData(data: BodyBuffer): void {
    this.#hold(data);
  }

  addEncodedData(data: BodyBuffer): void {
    this.#hold(data);
  }

  addDecodedTrailers(): HeaderMap {
    return new HeaderMap("trailers");
  }

  addEncodedTrailers(): HeaderMap {
    return new HeaderMap("trailers");
  }

  continueDecoding(): void {
    if (this.pausedIn?.startsWith("request") === true) this.pausedIn = undefined;
  }

  continueEncoding(): void {
    if (this.pausedIn?.startsWith("response") === true) this.pausedIn = undefined;
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.reply !== undefined) return;
    this.reply = reply;
    const headers: (readonly [string, string])[] = [[":status", String(reply.status)], ...reply.headers];
    this.#responseHeaders = new HeaderMap("response", headers);
  }

  resetStream(): void {
    this.wasReset = true;
  }

  clearRouteCache(): void {}

  report(_report: HostReport): void {}
}
