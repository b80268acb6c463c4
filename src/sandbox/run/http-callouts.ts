import { startTimer, type Timer } from "../../platform/timer.ts";
import type { CalloutFailure } from "../../host/callout.ts";
import { headerOf } from "./flat-headers.ts";
import { NO_BYTES, type Upstream, type UpstreamCall, type UpstreamEvents } from "./http-side.ts";
import type { CalloutMessage, FlatHeaders } from "./messages.ts";

/** A callout that is over, for the log and the recorder. */
export interface CalloutRecord {
  readonly cluster: string;
  readonly request: CalloutMessage;
  /** `undefined` when there was none. */
  readonly answer: CalloutAnswer | undefined;
  readonly fault: CalloutFailure | undefined;
  /** Milliseconds until the end of the answer. */
  readonly ms: number;
}

/** The whole answer to a callout. */
export interface CalloutAnswer {
  readonly headers: FlatHeaders;
  readonly body: Uint8Array;
  readonly trailers: FlatHeaders | undefined;
}

/** More than a filter's memory could take anyway; a larger answer is a fault. Bytes. */
const MOST_BODY = 64 * 1024 * 1024;

/** Callouts under way at once: what Envoy's circuit breakers leave, its connections and those that wait for one. */
export const MOST_CALLOUTS = 2048;

/** The HTTP requests of filters, on their way. */
export class HttpCallouts {
  readonly #clusters: ReadonlyMap<string, Upstream>;
  readonly #calls = new Map<number, () => void>();
  readonly #done: (id: number, record: CalloutRecord) => void;

  /** @param done told of every callout that was not cancelled. */
  constructor(clusters: ReadonlyMap<string, Upstream>, done: (id: number, record: CalloutRecord) => void) {
    this.#clusters = clusters;
    this.#done = done;
  }

  send(id: number, request: CalloutMessage): void {
    const started = performance.now();
    let over = false;
    let call: UpstreamCall | undefined;
    let timer: Timer | undefined;
    const end = (answer: CalloutAnswer | undefined, fault?: CalloutFailure): void => {
      if (over) return;
      over = true;
      timer?.stop();
      this.#calls.delete(id);
      const ms = Math.round((performance.now() - started) * 10) / 10;
      this.#done(id, { cluster: request.cluster, request, answer, fault, ms });
    };
    const collect = collectAnswer(
      (answer) => end(answer),
      (fault) => {
        call?.reset();
        end(undefined, fault);
      },
    );
    if (this.#calls.size >= MOST_CALLOUTS) return void setImmediate(() => end(undefined, "overflow"));
    this.#calls.set(id, () => {
      over = true;
      timer?.stop();
      call?.reset();
    });
    if (request.timeoutMs > 0) {
      timer = startTimer(request.timeoutMs, () => {
        call?.reset();
        end(undefined, collect.answering() ? "cut-short" : "timeout");
      });
    }
    try {
      call = this.#clusters.get(request.cluster)?.send(request.headers, !hasBody(request), collect);
      if (call === undefined) setImmediate(() => end(undefined, "refused"));
      else writeBody(call, request);
    } catch {
      // Headers that cannot be sent.
      setImmediate(() => end(undefined, "protocol-error"));
    }
  }

  cancel(id: number): void {
    this.#calls.get(id)?.();
    this.#calls.delete(id);
  }

  /** Gives everything up; nobody is told. */
  close(): void {
    for (const drop of this.#calls.values()) drop();
    this.#calls.clear();
  }
}

function hasBody({ body, trailers }: CalloutMessage): boolean {
  return body.length > 0 || (trailers !== undefined && trailers.length > 0);
}

function writeBody(call: UpstreamCall, request: CalloutMessage): void {
  if (!hasBody(request)) return;
  const { body, trailers } = request;
  if (trailers === undefined || trailers.length === 0) call.data(body, true);
  else {
    call.data(body, false);
    call.trailers(trailers);
  }
}

/** The events of an answer that is put together, and whether it has begun. */
interface AnswerCollector extends UpstreamEvents {
  answering(): boolean;
}

/** Puts an answer together that comes piece by piece. */
function collectAnswer(done: (answer: CalloutAnswer) => void, fault: (kind: CalloutFailure) => void): AnswerCollector {
  let headers: FlatHeaders | undefined;
  const pieces: Uint8Array[] = [];
  let size = 0;
  const finish = (trailers?: FlatHeaders): void =>
    done({ headers: headers ?? [], body: pieces.length === 0 ? NO_BYTES : Buffer.concat(pieces), trailers });
  return {
    answering: () => headers !== undefined,
    headers: (given, end) => {
      headers = given;
      if (end) finish();
      else if (Number(headerOf(given, "content-length") ?? 0) > MOST_BODY) fault("cut-short");
    },
    data: (bytes, end) => {
      if (bytes.length > 0) pieces.push(bytes);
      size += bytes.length;
      if (size > MOST_BODY) fault("cut-short");
      else if (end) finish();
    },
    trailers: (trailers) => finish(trailers),
    fault: (kind) => fault(headers === undefined ? kind : "cut-short"),
    drained: () => undefined,
  };
}
