import { BodyBuffer } from "../../../host/body-buffer.ts";
import { HeaderMap } from "../../../host/header-map.ts";
import type { HostReport } from "../../../host/host-report.ts";
import type { HeadersStatus, HttpFilter, HttpFilterCallbacks, LocalReply } from "../../../host/http-filter.ts";
import { newStreamInfo, type StreamInfo } from "../../../host/stream-info.ts";
import { GoogleHeaders } from "./google-headers.ts";
import type { GoogleTest } from "./runner-schema.ts";
import { bytesOf, latin1 } from "./textproto-strings.ts";

/** What came of one callback, or of all those of a body. */
export interface PhaseResult {
  /** The map the filter left, or the headers of its own response. */
  readonly headers: GoogleHeaders;
  /** The body the filter left (a string of bytes), or that of its own response. */
  readonly body: string;
  /** Absent in body phases, of which the tester does not look at the answer. */
  readonly status: HeadersStatus | undefined;
  /** A response made by the filter in this phase. */
  readonly reply: LocalReply | undefined;
}

/**
 * One stream as Google's tester drives it, which is simpler than a proxy: a callback is made with what the test gives,
 * and what the filter left is the result. Nothing is buffered between the pieces of a body, a pause holds nothing back,
 * and after a response of the filter's own there are no callbacks but the last ones.
 */
export class GoogleStream {
  readonly #filter: HttpFilter;
  #reply: LocalReply | undefined;
  #replied = false;
  /** The piece of a body under way: what is "held", as nothing ever is. */
  #piece: BodyBuffer | undefined;

  /** @param report takes what the host has to say of this stream */
  constructor(filter: HttpFilter, info: StreamInfo, report: (report: HostReport) => void) {
    this.#filter = filter;
    filter.attach(this.#callbacks(info, report));
  }

  requestHeaders(headers: GoogleHeaders): PhaseResult {
    return this.#headers(headers, () => this.#filter.decodeHeaders(headers, false));
  }

  responseHeaders(headers: GoogleHeaders): PhaseResult {
    return this.#headers(headers, () => this.#filter.encodeHeaders(headers, false));
  }

  requestBody(piece: string, endStream: boolean): PhaseResult {
    const result = this.#body(piece, (data) => this.#filter.decodeData(data, endStream));
    this.#replied ||= result.reply !== undefined;
    return result;
  }

  /** The tester knows no response of the filter's own here, so one does not end the stream. */
  responseBody(piece: string, endStream: boolean): PhaseResult {
    return this.#body(piece, (data) => this.#filter.encodeData(data, endStream));
  }

  /** Log, done, delete, with no headers to be read: none of them is of the phase. */
  destroy(): void {
    this.#filter.log({ requestHeaders: undefined, responseHeaders: undefined, responseTrailers: undefined });
    this.#filter.destroy();
  }

  #headers(headers: GoogleHeaders, call: () => HeadersStatus): PhaseResult {
    if (this.#replied) return { ...NOTHING, headers: new GoogleHeaders() };
    this.#reply = undefined;
    const status = call();
    const reply = this.#reply as LocalReply | undefined;
    this.#replied ||= reply !== undefined;
    return reply === undefined ? { headers, body: "", status, reply } : { ...resultOf(reply), status };
  }

  #body(piece: string, call: (data: BodyBuffer) => unknown): PhaseResult {
    if (this.#replied) return { ...NOTHING, headers: new GoogleHeaders() };
    this.#reply = undefined;
    const data = new BodyBuffer(bytesOf(piece));
    this.#piece = data;
    call(data);
    this.#piece = undefined;
    return { headers: new GoogleHeaders(), body: latin1(data.bytes()), status: undefined, reply: this.#reply };
  }

  #callbacks(info: StreamInfo, report: (report: HostReport) => void): HttpFilterCallbacks {
    return {
      info,
      hasResponse: true,
      decodingBuffer: () => this.#piece,
      encodingBuffer: () => this.#piece,
      addDecodedData: () => undefined,
      addEncodedData: () => undefined,
      addDecodedTrailers: () => new HeaderMap("trailers"),
      addEncodedTrailers: () => new HeaderMap("trailers"),
      continueDecoding: () => undefined,
      continueEncoding: () => undefined,
      resetStream: () => undefined,
      clearRouteCache: () => undefined,
      sendLocalReply: (reply) => {
        // The last one wins, as in the tester; Envoy takes the first.
        this.#reply = reply;
      },
      report,
    };
  }
}

/** The result of a phase in which the filter answered itself: its response. */
export function resultOf(reply: LocalReply): PhaseResult {
  const headers = new GoogleHeaders();
  for (const [name, value] of reply.headers) headers.set(name, value);
  return { headers, body: latin1(reply.body), status: undefined, reply };
}

const NOTHING = { body: "", status: "continue", reply: undefined } as const;

/** What the tester knows of a stream: the properties of the test, and nothing else. */
export function streamInfoOf(test: GoogleTest, now: bigint): StreamInfo {
  const overrides = test.properties.map(
    ({ path = "", value = "" }) => [path, { type: "bytes", value: bytesOf(value) }] as const,
  );
  // The first of two properties of one path is the one the tester finds.
  return newStreamInfo(now, { overrides: new Map(overrides.toReversed()) });
}
