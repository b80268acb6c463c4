import type { BodyBuffer } from "../body-buffer.ts";
import { HeaderMap } from "../header-map.ts";
import type { HostReport } from "../host-report.ts";
import type { HttpFilterCallbacks, LocalReply } from "../http-filter.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { FilterSide } from "./filter-side.ts";
import type { LiveStream } from "./live-stream.ts";

/** What one filter may do to its stream. */
export class FilterCallbacks implements HttpFilterCallbacks {
  readonly #stream: LiveStream;
  readonly #request: FilterSide;
  readonly #response: FilterSide;

  constructor(stream: LiveStream, request: FilterSide, response: FilterSide) {
    this.#stream = stream;
    this.#request = request;
    this.#response = response;
  }

  get info(): StreamInfo {
    return this.#stream.info;
  }

  get hasResponse(): boolean {
    return this.#response.sawHeaders;
  }

  decodingBuffer(): BodyBuffer | undefined {
    return this.#stream.request.held.buffer;
  }

  encodingBuffer(): BodyBuffer | undefined {
    return this.#stream.response.held.buffer;
  }

  addDecodedData(data: BodyBuffer): void {
    if (!this.#stream.ended) this.#stream.request.add(this.#request, data);
  }

  addEncodedData(data: BodyBuffer): void {
    if (!this.#stream.ended) this.#stream.response.add(this.#response, data);
  }

  addDecodedTrailers(): HeaderMap {
    this.#request.madeTrailers ||= this.#stream.requestTrailers === undefined;
    this.#stream.requestTrailers ??= new HeaderMap("trailers");
    return this.#stream.requestTrailers;
  }

  addEncodedTrailers(): HeaderMap {
    this.#stream.responseTrailers ??= new HeaderMap("trailers");
    return this.#stream.responseTrailers;
  }

  continueDecoding(): void {
    this.#stream.request.continue(this.#request);
  }

  continueEncoding(): void {
    if (this.#stream.ended) return;
    if (this.hasResponse) this.#stream.response.continue(this.#response);
    else this.#stream.fault("continue-without-response", CONTINUE_WITHOUT_RESPONSE);
  }

  sendLocalReply(reply: LocalReply): void {
    this.#stream.sendLocalReply(reply);
  }

  resetStream(details: string): void {
    this.#stream.reset(details);
  }

  clearRouteCache(): void {
    // There is one route; the router looks at the path anew anyway.
  }

  report(report: HostReport): void {
    this.#stream.options.report?.(report);
  }
}

const CONTINUE_WITHOUT_RESPONSE =
  "a filter continued the response before there was one: Envoy crashes here, so the stream was ended";
