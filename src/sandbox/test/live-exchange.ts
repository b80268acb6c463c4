import type { HttpFilterFactory } from "../../host/http-filter.ts";
import type { ExchangeOptions } from "../../host/exchange/exchange-options.ts";
import { HttpExchange } from "../../host/exchange/http-exchange.ts";
import { HeaderMap } from "../../host/header-map.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { StreamInfo } from "../../host/stream-info.ts";
import { requestHeaders, responseHeaders } from "./exchange-defaults.ts";
import type { ReadBytes } from "./matchers.ts";
import type { PausePlace } from "./model-expect.ts";
import type { Answer, Request } from "./model.ts";
import type { Session } from "./session.ts";
import { bodyPieces, headerPairs, nanoseconds } from "./values.ts";

/** What one side got of a message. */
export interface SeenMessage {
  headers: HeaderMap | undefined;
  readonly pieces: Uint8Array[];
  trailers: HeaderMap | undefined;
  /** It came to its end. */
  complete: boolean;
  /** Why it was broken off. */
  reset: string | undefined;
}

/** What an exchange is made of. */
export interface LiveExchangeOptions {
  readonly session: Session;
  readonly readBytes: ReadBytes;
  readonly info: Partial<StreamInfo>;
}

/** One exchange in virtual time: a client that sends as a test says, and an upstream that answers so. */
export class LiveExchange {
  readonly upstream: SeenMessage = nothingSeen();
  readonly response: SeenMessage = nothingSeen();
  /** Where it stood still, in order. */
  readonly paused: PausePlace[] = [];
  readonly reports: HostReport[] = [];
  readonly exchange: HttpExchange;
  readonly #options: LiveExchangeOptions;
  readonly #request: Request;
  readonly #answer: Answer;
  readonly #protocol: "http1" | "http2";
  readonly #client: Feeder;
  readonly #server: Feeder;
  #answered = false;
  #pausedBefore: readonly PausePlace[] = [];

  constructor(options: LiveExchangeOptions, request: Request = {}, answer: Answer = {}) {
    this.#options = options;
    this.#request = request;
    this.#answer = answer;
    // By HTTP/1 Envoy sends no trailers on.
    const trailers = request.trailers !== undefined || answer.trailers !== undefined;
    this.#protocol = request.protocol ?? (trailers ? "http2" : "http1");
    const { session } = options;
    this.#client = new Feeder(session, () => this.exchange.ended);
    this.#server = new Feeder(session, () => this.exchange.ended);
    this.exchange = new HttpExchange(this.#exchangeOptions());
    session.watchers.add(this.#watch);
  }

  get ended(): boolean {
    return this.exchange.ended;
  }

  /** Where it stands still now. */
  get pausedIn(): readonly PausePlace[] {
    return this.exchange.pausedIn;
  }

  /** Sends the request's headers now and plans the rest. */
  begin(): void {
    const { session, readBytes } = this.#options;
    const { body, trailers, abort } = this.#request;
    const pieces = bodyPieces(body, readBytes);
    const bare = pieces.length === 0 && trailers === undefined;
    const headers = requestHeaders(this.#request, this.#protocol, bare ? undefined : pieces);
    if (abort !== undefined) {
      session.time.after(nanoseconds(abort), () => {
        if (!this.ended) this.exchange.downstreamReset();
      });
    }
    this.exchange.requestHeaders(headers, bare);
    if (bare) return;
    this.#client.feed(pieces, {
      http1: this.#protocol === "http1",
      trailers: trailers === undefined ? undefined : new HeaderMap("trailers", headerPairs(trailers)),
      data: (bytes, end) => this.exchange.requestData(bytes, end),
      end: (map) => this.exchange.requestTrailers(map),
    });
  }

  /** The events come from outside; nothing is sent or answered by itself. */
  driveByHand(): void {
    this.#answered = true;
  }

  /** Makes sure that the upstream may answer: where no request was sent, a plain one is. */
  answerable(): void {
    if (this.upstream.headers === undefined)
      this.exchange.requestHeaders(requestHeaders({}, this.#protocol, undefined), true);
  }

  /** No look at it is needed any more. */
  forget(): void {
    this.#options.session.watchers.delete(this.#watch);
  }

  readonly #watch = (): void => {
    const now = this.exchange.pausedIn;
    for (const place of now) if (!this.#pausedBefore.includes(place)) this.paused.push(place);
    this.#pausedBefore = [...now];
  };

  #exchangeOptions(): ExchangeOptions {
    const { session, info } = this.#options;
    const worker = this.#request.worker ?? 0;
    const filters = session.plugins.map((plugin): HttpFilterFactory => ({
      name: plugin.name,
      createHttpFilter: () => plugin.createHttpFilter(worker),
    }));
    return {
      filters,
      clock: session.time,
      info: { protocol: this.#protocol === "http2" ? "HTTP/2" : "HTTP/1.1", ...info },
      report: (report) => {
        this.reports.push(report);
        session.reports.push(report);
      },
      upstream: {
        headers: (headers, end) => {
          this.upstream.headers = headers.clone();
          this.#reached(end);
        },
        data: (bytes, end) => {
          this.upstream.pieces.push(bytes.slice());
          this.#reached(end);
        },
        trailers: (trailers) => {
          this.upstream.trailers = trailers.clone();
          this.#reached(true);
        },
        reset: () => void (this.upstream.reset ??= "reset"),
        pause: (paused) => this.#server.pause(paused),
      },
      downstream: {
        headers: (headers, end) => {
          this.response.headers = headers.clone();
          this.response.complete ||= end;
        },
        data: (bytes, end) => {
          this.response.pieces.push(bytes.slice());
          this.response.complete ||= end;
        },
        trailers: (trailers) => {
          this.response.trailers = trailers.clone();
          this.response.complete = true;
        },
        reset: (reason) => void (this.response.reset ??= reason),
        pause: (paused) => this.#client.pause(paused),
      },
    };
  }

  /** The upstream got something; it answers when it has everything, or at once. */
  #reached(end: boolean): void {
    this.upstream.complete ||= end;
    if (this.#answered || !(end || this.#answer.early === true)) return;
    this.#answered = true;
    this.#options.session.time.after(nanoseconds(this.#answer.after), () => this.#respond());
  }

  #respond(): void {
    if (this.ended) return;
    const { fail, body, trailers } = this.#answer;
    if (fail !== undefined) return this.exchange.upstreamReset(fail);
    const pieces = bodyPieces(body, this.#options.readBytes);
    const bodiless = this.upstream.headers?.get(":method") === "HEAD" || pieces.length === 0;
    const bare = bodiless && trailers === undefined;
    this.exchange.responseHeaders(responseHeaders(this.#answer, pieces), bare);
    if (bare) return;
    this.#server.feed(pieces, {
      http1: this.#protocol === "http1",
      trailers: trailers === undefined ? undefined : new HeaderMap("trailers", headerPairs(trailers)),
      data: (bytes, end) => this.exchange.responseData(bytes, end),
      end: (map) => this.exchange.responseTrailers(map),
    });
  }
}

function nothingSeen(): SeenMessage {
  return { headers: undefined, pieces: [], trailers: undefined, complete: false, reset: undefined };
}

interface FeedPlan {
  readonly http1: boolean;
  readonly trailers: HeaderMap | undefined;
  readonly data: (bytes: Uint8Array, end: boolean) => void;
  readonly end: (trailers: HeaderMap) => void;
}

/** Sends the pieces of a body at their times, and waits while it is told to. */
class Feeder {
  readonly #session: Session;
  readonly #over: () => boolean;
  #queue: { readonly after: bigint; readonly send: () => void }[] = [];
  #paused = false;
  #planned = false;

  constructor(session: Session, over: () => boolean) {
    this.#session = session;
    this.#over = over;
  }

  /** HTTP/1 tells the end with an empty last piece, HTTP/2 with the last one; before trailers no piece is the end. */
  feed(pieces: readonly { readonly bytes: Uint8Array; readonly after: bigint }[], plan: FeedPlan): void {
    const { http1, trailers, data, end } = plan;
    for (const [place, { bytes, after }] of pieces.entries()) {
      const last = !http1 && trailers === undefined && place === pieces.length - 1;
      this.#queue.push({ after, send: () => data(bytes, last) });
    }
    if (trailers !== undefined) this.#queue.push({ after: 0n, send: () => end(trailers) });
    else if (http1 || pieces.length === 0) this.#queue.push({ after: 0n, send: () => data(new Uint8Array(0), true) });
    this.#plan();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.#plan();
  }

  #plan(): void {
    const [next] = this.#queue;
    if (next === undefined || this.#paused || this.#planned) return;
    this.#planned = true;
    this.#session.time.after(next.after, () => {
      this.#planned = false;
      if (this.#paused || this.#over()) return;
      this.#queue.shift();
      next.send();
      this.#plan();
    });
  }
}
