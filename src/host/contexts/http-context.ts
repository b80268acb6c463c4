import type { BodyBuffer } from "../body-buffer.ts";
import { BufferType, MapType, StreamType } from "../enums.ts";
import type { HeaderMap } from "../header-map.ts";
import type { HostReport } from "../host-report.ts";
import type {
  DataStatus,
  HeadersStatus,
  HttpFilter,
  HttpFilterCallbacks,
  LocalReply,
  LogContext,
  TrailersStatus,
} from "../http-filter.ts";
import { Status } from "../status.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { Vm } from "../vm.ts";
import type { GuestFunction } from "../webassembly.ts";
import { dataStatus, headersStatus, trailersStatus } from "./answers.ts";
import { BaseContext } from "./base-context.ts";
import { FAILED_REPLY } from "./failed-filter.ts";
import { HttpHalf } from "./http-half.ts";
import type { RootContext } from "./root-context.ts";

/** One HTTP stream of a plugin: Envoy's filter on one side, a context of the guest on the other. */
export class HttpContext extends BaseContext implements HttpFilter {
  readonly #vm: Vm;
  readonly #request = new HttpHalf("request");
  readonly #response = new HttpHalf("response");
  #callbacks: HttpFilterCallbacks | undefined;
  #created = false;
  #destroyed = false;
  /** The VM failed while this stream was open, and the stream was answered for it. */
  #failed = false;
  #endStream = false;
  /** The maps of the access log, while it is written. */
  #access: LogContext | undefined;

  constructor(vm: Vm, root: RootContext) {
    super(vm.nextId(), root.plugin, root);
    this.#vm = vm;
    vm.add(this);
  }

  attach(callbacks: HttpFilterCallbacks): void {
    this.#callbacks = callbacks;
    if (this.#vm.profile.tester) this.open();
  }

  decodeHeaders(headers: HeaderMap, endStream: boolean): HeadersStatus {
    this.open();
    this.#endStream = endStream;
    const { requestHeaders } = this.#vm.callbacks;
    return this.#onHeaders(this.#request, requestHeaders, "proxy_on_request_headers", headers);
  }

  decodeData(data: BodyBuffer, endStream: boolean): DataStatus {
    if (!this.#created) return "continue";
    if (this.#request.buffering) {
      this.#callbacks?.addDecodedData(data);
      // The body may have become too long, which ended the stream.
      if (this.#destroyed) return "stop-and-buffer";
    }
    this.#endStream = endStream;
    return this.#onData(this.#request, this.#vm.callbacks.requestBody, "proxy_on_request_body", data);
  }

  decodeTrailers(trailers: HeaderMap): TrailersStatus {
    if (!this.#created) return "continue";
    const { requestTrailers } = this.#vm.callbacks;
    return this.#onTrailers(this.#request, requestTrailers, "proxy_on_request_trailers", trailers);
  }

  decodeMetadata(metadata: HeaderMap): void {
    if (this.#created) this.#onMetadata(this.#vm.callbacks.requestMetadata, "proxy_on_request_metadata", metadata);
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean): HeadersStatus {
    if (!this.#created || this.#failed) return "continue";
    this.#endStream = endStream;
    const { responseHeaders } = this.#vm.callbacks;
    return this.#onHeaders(this.#response, responseHeaders, "proxy_on_response_headers", headers);
  }

  encodeData(data: BodyBuffer, endStream: boolean): DataStatus {
    if (!this.#created || this.#failed) return "continue";
    if (this.#response.buffering) {
      this.#callbacks?.addEncodedData(data);
      if (this.#destroyed) return "stop-and-buffer";
    }
    this.#endStream = endStream;
    return this.#onData(this.#response, this.#vm.callbacks.responseBody, "proxy_on_response_body", data);
  }

  encodeTrailers(trailers: HeaderMap): TrailersStatus {
    if (!this.#created || this.#failed) return "continue";
    const { responseTrailers } = this.#vm.callbacks;
    return this.#onTrailers(this.#response, responseTrailers, "proxy_on_response_trailers", trailers);
  }

  encodeMetadata(metadata: HeaderMap): void {
    if (this.#created && !this.#failed)
      this.#onMetadata(this.#vm.callbacks.responseMetadata, "proxy_on_response_metadata", metadata);
  }

  log(context: LogContext): void {
    this.open();
    this.logging = true;
    this.#access = context;
    this.#tell(this.#vm.callbacks.log, "proxy_on_log");
    this.#access = undefined;
    this.logging = false;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (this.#created) {
      this.#tell(this.#vm.callbacks.done, "proxy_on_done");
      this.#tell(this.#vm.callbacks.delete, "proxy_on_delete");
    }
    this.#vm.remove(this);
  }

  open(): void {
    if (this.#created) return;
    this.#created = true;
    this.#tell(this.#vm.callbacks.contextCreate, "proxy_on_context_create", this.root.id);
  }

  #tell(code: GuestFunction | undefined, name: string, second?: number): void {
    const vm = this.#vm;
    if (vm.failed || code === undefined) return;
    vm.call(code, name, this, second);
    vm.leave();
  }

  #onHeaders(half: HttpHalf, code: GuestFunction | undefined, name: string, headers: HeaderMap): HeadersStatus {
    const vm = this.#vm;
    half.headers = headers;
    half.sent = headers;
    if (vm.failed) return this.#fail("stop-all-and-watermark");
    let status: HeadersStatus = "continue";
    if (code !== undefined) {
      half.inHeaders = true;
      const answer = vm.call(code, name, this, headers.size, this.#endStream ? 1 : 0);
      half.inHeaders = false;
      if (vm.failed) status = this.#fail("stop-all-and-watermark");
      else if (vm.stopped) status = "stop-all-and-watermark";
      else status = headersStatus(answer, this.plugin.allowOnHeadersStopIteration);
      if (status === "continue" && half.continued) {
        half.misused = true;
        status = "stop-all-and-watermark";
      }
      vm.leave();
    }
    if (status === "continue" || vm.profile.tester) half.headers = undefined;
    return status;
  }

  #onData(half: HttpHalf, code: GuestFunction | undefined, name: string, data: BodyBuffer): DataStatus {
    const vm = this.#vm;
    half.body = data;
    if (vm.failed) return this.#fail("stop-no-buffer");
    let status: DataStatus = "continue";
    if (code !== undefined) {
      const answer = vm.call(code, name, this, this.#body(half)?.length ?? 0, this.#endStream ? 1 : 0);
      if (vm.failed) status = this.#fail("stop-no-buffer");
      else status = vm.stopped ? "stop-no-buffer" : dataStatus(answer);
      vm.leave();
    }
    half.buffering = status === "stop-and-buffer";
    if (status === "continue") half.body = undefined;
    return status;
  }

  #onTrailers(half: HttpHalf, code: GuestFunction | undefined, name: string, trailers: HeaderMap): TrailersStatus {
    const vm = this.#vm;
    half.trailers = trailers;
    if (vm.failed) return this.#fail("stop-iteration");
    let status: TrailersStatus = "continue";
    if (code !== undefined) {
      const answer = vm.call(code, name, this, trailers.size);
      if (vm.failed) status = this.#fail("stop-iteration");
      else status = vm.stopped ? "stop-iteration" : trailersStatus(answer);
      vm.leave();
    }
    if (status === "continue") half.trailers = undefined;
    return status;
  }

  #onMetadata(code: GuestFunction | undefined, name: string, metadata: HeaderMap): void {
    const vm = this.#vm;
    if (!vm.failed && code !== undefined) vm.call(code, name, this, metadata.size);
    if (vm.failed) this.#fail("continue");
    vm.leave();
  }

  /** Answers the stream for the VM that is gone, once. */
  #fail<Answer>(answer: Answer): Answer {
    if (this.#failed) return answer;
    this.#failed = true;
    this.#callbacks?.sendLocalReply(FAILED_REPLY);
    return answer;
  }

  override get stream(): StreamInfo | undefined {
    return this.#callbacks?.info;
  }

  override get requestMapGone(): boolean {
    return this.#request.sent !== undefined && this.#request.headers === undefined && !this.#destroyed;
  }

  override map(type: number): HeaderMap | undefined {
    const access = this.#access;
    switch (type) {
      case MapType.requestHeaders:
        return access?.requestHeaders ?? this.#request.headers;
      case MapType.requestTrailers:
        return this.#request.trailers;
      case MapType.responseHeaders:
        return access?.responseHeaders ?? this.#response.headers;
      default:
        return access?.responseTrailers ?? this.#response.trailers;
    }
  }

  override mutableMap(type: number): HeaderMap | undefined {
    const half = type < MapType.responseHeaders ? this.#request : this.#response;
    if (type === MapType.requestHeaders || type === MapType.responseHeaders) return half.headers;
    if (half.trailers === undefined && half.body !== undefined && this.#endStream) {
      const callbacks = this.#callbacks;
      half.trailers = half === this.#request ? callbacks?.addDecodedTrailers() : callbacks?.addEncodedTrailers();
    }
    return half.trailers;
  }

  override buffer(type: number): BodyBuffer | undefined {
    if (type === BufferType.requestBody) return this.#body(this.#request);
    return type === BufferType.responseBody ? this.#body(this.#response) : undefined;
  }

  #body(half: HttpHalf): BodyBuffer | undefined {
    if (!half.buffering) return half.body;
    return half === this.#request ? this.#callbacks?.decodingBuffer() : this.#callbacks?.encodingBuffer();
  }

  override continueStream(type: number): Status {
    if (type >= StreamType.downstream) return super.continueStream(type);
    const half = type === StreamType.request ? this.#request : this.#response;
    if (half.inHeaders) half.continued = true;
    this.#vm.afterCall(() => this.#continue(half));
    this.#request.forget();
    return Status.ok;
  }

  #continue(half: HttpHalf): void {
    const callbacks = this.#callbacks;
    if (this.#destroyed || callbacks === undefined) return;
    if (half.misused) {
      const outcome = half.of === "request" ? "Envoy sends the request twice" : "Envoy resets the stream";
      const text = `continue_stream(${half.of}) was called and Continue answered: ${outcome}`;
      this.#fault(callbacks, "continue-and-continue", text);
    } else if (half.of === "request") callbacks.continueDecoding();
    else if (callbacks.hasResponse) callbacks.continueEncoding();
    else {
      const text = "continue_stream(response) was called before there is a response: Envoy crashes";
      this.#fault(callbacks, "continue-without-response", text);
    }
  }

  /** Ends the stream where Envoy does something nobody wants. */
  #fault(callbacks: HttpFilterCallbacks, code: HostReport["code"], message: string): void {
    const { report } = this.#vm.environment;
    const given: HostReport = {
      code,
      severity: "fault",
      message,
      plugin: this.plugin.name,
      contextId: this.id,
      callback: undefined,
    };
    if (report === undefined) callbacks.report(given);
    else report(given);
    callbacks.resetStream(`wasm_${code.replaceAll("-", "_")}`);
  }

  override closeStream(type: number): Status {
    const callbacks = this.#callbacks;
    if (callbacks === undefined || type > StreamType.response) return Status.ok;
    if (this.#isOver("close_stream")) return Status.ok;
    callbacks.info.responseCodeDetails ??= CLOSED;
    this.#vm.afterCall(() => {
      if (!this.#destroyed) callbacks.resetStream(CLOSED);
    });
    return Status.ok;
  }

  override sendLocalResponse(reply: LocalReply): void {
    if (this.#isOver("send_local_response")) return;
    this.#vm.afterCall(() => {
      if (!this.#destroyed) this.#callbacks?.sendLocalReply(reply);
    });
  }

  /** Whether there is nothing left to end; Envoy does not look and crashes. */
  #isOver(call: string): boolean {
    if (!this.logging && !this.#destroyed) return false;
    this.#vm.report("stream-over", "fault", `${call} was called when the stream was over: Envoy crashes`);
    return true;
  }

  override clearRouteCache(): void {
    this.#callbacks?.clearRouteCache();
  }

  override bodyChanged(type: number): void {
    const half = type === BufferType.requestBody ? this.#request : this.#response;
    if (half.lengthLeft || half.sent?.has("content-length") !== true) return;
    half.lengthLeft = true;
    const message = `the length of the ${half.of} body changed, and its content-length was left`;
    this.#vm.report("content-length-left", "warning", message);
  }
}

const CLOSED = "wasm_close_stream";
