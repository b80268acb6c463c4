import { AccessObserver } from "./access-observer.ts";
import type { CalloutRecord } from "./http-callouts.ts";
import type { FlatHeaders, StreamEnd, UpstreamFault } from "./messages.ts";

/** One message of an exchange as it went by. */
export interface RecordedMessage {
  readonly headers: FlatHeaders;
  readonly pieces: readonly Uint8Array[];
  readonly trailers: FlatHeaders | undefined;
}

/** All that went by in one exchange. */
export interface RecordedExchange {
  readonly protocol: string;
  readonly request: RecordedMessage;
  /** What the upstream got; `undefined` when nothing got through. */
  readonly forwarded: RecordedMessage | undefined;
  readonly answer: RecordedMessage | undefined;
  readonly fault: UpstreamFault | undefined;
  readonly response: RecordedMessage | undefined;
  /** The filter trapped while it went on. */
  readonly trapped: boolean;
  /** Callouts that were sent while it went on. */
  readonly callouts: readonly CalloutRecord[];
}

/** Why an exchange is no test case. */
export type NotRecorded = "too-large" | "broken" | "filter-gone";

/** Bytes of one body that are kept; a larger exchange is not recorded. */
const MOST_BODY = 1024 * 1024;

/** Keeps what goes by, beside the access record. */
export class RecordingObserver extends AccessObserver {
  readonly #protocol: string;
  readonly #recorded: (exchange: RecordedExchange | NotRecorded) => void;
  readonly #request = new MessageRecorder();
  readonly #forwarded = new MessageRecorder();
  readonly #answer = new MessageRecorder();
  readonly #response = new MessageRecorder();
  readonly #callouts: CalloutRecord[] = [];
  #fault: UpstreamFault | undefined;
  #broken = false;
  #trapped = false;

  constructor(
    access: ConstructorParameters<typeof AccessObserver>,
    recorded: (exchange: RecordedExchange | NotRecorded) => void,
  ) {
    super(...access);
    this.#protocol = access[0];
    this.#recorded = recorded;
  }

  /** Adds a callout that ended while this exchange went on. */
  callout(record: CalloutRecord): void {
    this.#callouts.push(record);
  }

  /** The filter trapped in a callback of this exchange, as far as can be told. */
  trap(): void {
    this.#trapped = true;
  }

  override request(headers: FlatHeaders, end: boolean): void {
    super.request(headers, end);
    this.#request.headers = headers.slice();
  }

  override requestData(bytes: Uint8Array, end: boolean): void {
    super.requestData(bytes, end);
    this.#request.piece(bytes);
  }

  override requestTrailers(trailers: FlatHeaders): void {
    this.#request.trailers = trailers;
  }

  override forwarded(headers: FlatHeaders, _end: boolean): void {
    this.#forwarded.headers = headers;
  }

  override forwardedData(bytes: Uint8Array, _end: boolean): void {
    this.#forwarded.piece(bytes);
  }

  override forwardedTrailers(trailers: FlatHeaders): void {
    this.#forwarded.trailers = trailers;
  }

  override answer(headers: FlatHeaders, _end: boolean): void {
    this.#answer.headers = headers;
  }

  override answerData(bytes: Uint8Array, _end: boolean): void {
    this.#answer.piece(bytes);
  }

  override answerTrailers(trailers: FlatHeaders): void {
    this.#answer.trailers = trailers;
  }

  override fault(kind: UpstreamFault): void {
    this.#fault = kind;
  }

  override response(headers: FlatHeaders, end: boolean): void {
    super.response(headers, end);
    this.#response.headers = headers;
  }

  override responseData(bytes: Uint8Array, end: boolean): void {
    super.responseData(bytes, end);
    this.#response.piece(bytes);
  }

  override responseTrailers(trailers: FlatHeaders): void {
    this.#response.trailers = trailers;
  }

  override clientGone(): void {
    super.clientGone();
    this.#broken = true;
  }

  override ended(end: StreamEnd): void {
    super.ended(end);
    const sides = [this.#request, this.#forwarded, this.#answer, this.#response];
    if (this.#broken || end.details?.startsWith("wasm_fail_stream{") === true) return this.#recorded("broken");
    // A test has a fresh VM: what a filter that trapped before made of this cannot come again.
    if (end.details === "wasm_fail_stream" && !this.#trapped) return this.#recorded("filter-gone");
    if (sides.some((side) => side.tooLarge)) return this.#recorded("too-large");
    this.#recorded({
      protocol: this.#protocol,
      request: this.#request.message() ?? { headers: [], pieces: [], trailers: undefined },
      forwarded: this.#forwarded.message(),
      answer: this.#answer.message(),
      fault: this.#fault,
      response: this.#response.message(),
      trapped: this.#trapped,
      callouts: this.#callouts,
    });
  }
}

class MessageRecorder {
  headers: FlatHeaders | undefined;
  trailers: FlatHeaders | undefined;
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  get tooLarge(): boolean {
    return this.#size > MOST_BODY;
  }

  /** Keeps a copy: the bytes go on to another thread. */
  piece(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (bytes.length > 0 && !this.tooLarge) this.#pieces.push(Uint8Array.prototype.slice.call(bytes));
  }

  message(): RecordedMessage | undefined {
    if (this.headers === undefined) return undefined;
    return { headers: this.headers, pieces: this.#pieces, trailers: this.trailers };
  }
}
