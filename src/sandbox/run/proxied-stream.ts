import { startTimer, type Timer } from "../../platform/timer.ts";
import { assertNever } from "../../domain/errors.ts";
import { headerOf } from "./flat-headers.ts";
import type { CoreLink, StreamCommands } from "./core-link.ts";
import type { Downstream, DownstreamEvents, RequestHead, Upstream, UpstreamCall, UpstreamEvents } from "./http-side.ts";
import {
  type CommandOutput,
  type FlatHeaders,
  FromCore,
  type StreamEnd,
  ToCore,
  type UpstreamFault,
} from "./messages.ts";
import { ResponseWriter } from "./response-writer.ts";
import type { StreamObserver } from "./stream-observer.ts";

/** Who may ask a side not to be read; it is read while nobody does. */
const Pause = { otherSide: 1, exchange: 2, line: 4 } as const;

/** What a stream needs of the proxy it is in. */
export interface StreamSetting {
  readonly link: CoreLink;
  readonly upstream: Upstream;
  /** Milliseconds from the end of the request until the end of the response; 0 waits for ever. */
  readonly timeoutMs: number;
  readonly observer: StreamObserver;
  /** Told once, when all is over. */
  readonly onOver: (stream: ProxiedStream) => void;
}

/**
 * One request between its client, the exchange in the worker, and the upstream: carries what each tells to the others, and
 * makes every side wait for the slower one.
 */
export class ProxiedStream implements DownstreamEvents, UpstreamEvents, StreamCommands {
  readonly head: RequestHead;
  readonly #client: Downstream;
  readonly #response: ResponseWriter;
  readonly #setting: StreamSetting;
  readonly #id: number;
  #call: UpstreamCall | undefined;
  #clientPause = 0;
  #upstreamPause = 0;
  #timer: Timer | undefined;
  #upstreamDone = false;
  #over = false;

  constructor(head: RequestHead, client: Downstream, setting: StreamSetting) {
    this.head = head;
    this.#client = client;
    this.#response = new ResponseWriter(client, setting.observer);
    this.#setting = setting;
    this.#id = setting.link.open(this);
    const { headers, end } = head;
    setting.observer.request(headers, end);
    setting.link.send([ToCore.request, this.#id, headers, end, head.from, head.protocol]);
  }

  // From the client and from the upstream: `data`, `trailers` and `drained` are told apart by who calls `asUpstream`.

  data(bytes: Uint8Array, end: boolean): void {
    if (this.#over) return;
    this.#setting.observer.requestData(bytes, end);
    const room = this.#setting.link.sendPiece(ToCore.requestData, this.#id, bytes, end);
    if (!room) this.#waitForLine("client");
  }

  trailers(trailers: FlatHeaders): void {
    if (this.#over) return;
    this.#setting.observer.requestTrailers(trailers);
    this.#setting.link.send([ToCore.requestTrailers, this.#id, trailers]);
  }

  /** The client took what it was sent. */
  drained(): void {
    this.#pauseUpstream(Pause.otherSide, false);
  }

  gone(): void {
    if (this.#over || !this.#response.gone()) return;
    this.#setting.link.send([ToCore.clientGone, this.#id]);
  }

  headers(headers: FlatHeaders, end: boolean): void {
    if (this.#over) return;
    this.#upstreamEnd(end);
    this.#setting.observer.answer(headers, end);
    this.#setting.link.send([ToCore.response, this.#id, headers, end]);
  }

  fault(kind: UpstreamFault): void {
    if (this.#over || this.#upstreamDone) return;
    this.#upstreamEnd(true);
    this.#setting.observer.fault(kind);
    this.#setting.link.send([ToCore.upstreamReset, this.#id, kind]);
  }

  command(message: CommandOutput): void {
    switch (message[0]) {
      case FromCore.request:
        return this.#startCall(message[2], message[3]);
      case FromCore.requestTrailers:
        return this.#trailersToUpstream(message[2]);
      case FromCore.upstreamReset:
        return this.#dropCall();
      case FromCore.pauseUpstream:
        return this.#pauseUpstream(Pause.exchange, message[2]);
      case FromCore.response:
        return this.#response.headers(message[2], message[3]);
      case FromCore.responseTrailers:
        return this.#response.trailers(message[2]);
      case FromCore.clientReset:
        return this.#response.reset();
      case FromCore.pauseClient:
        return this.#pauseClient(Pause.exchange, message[2]);
      default:
        return assertNever(message);
    }
  }

  piece(to: "upstream" | "client", bytes: Uint8Array, end: boolean): void {
    if (to === "upstream") this.#toUpstream(bytes, end);
    else if (!this.#response.data(bytes, end)) this.#pauseUpstream(Pause.otherSide, true);
  }

  ended(end: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.stop();
    if (!this.#upstreamDone) this.#call?.reset();
    this.#response.reset();
    this.#setting.observer.ended(end);
    this.#setting.onOver(this);
  }

  /** The client gets what a broken filter's streams get, or a broken connection when it has a part of an answer. */
  abandon(why: string): void {
    if (this.#over) return;
    this.#response.breakOff();
    this.ended({ code: 503, details: `wasm_fail_stream{${why}}`, flags: 0, pausedIn: undefined });
  }

  #startCall(headers: FlatHeaders, end: boolean): void {
    const { upstream, observer } = this.#setting;
    observer.forwarded(headers, end);
    try {
      this.#call = upstream.send(headers, end, this.#upstreamEvents());
    } catch (error) {
      this.#unsendable(error);
      return;
    }
    if (this.#upstreamPause !== 0) this.#call.pause(true);
    if (end) this.#watchTime();
  }

  #upstreamEvents(): UpstreamEvents {
    return {
      headers: (headers, end) => this.headers(headers, end),
      data: (bytes, end) => this.#answerData(bytes, end),
      trailers: (trailers) => {
        if (this.#over) return;
        this.#upstreamEnd(true);
        this.#setting.observer.answerTrailers(trailers);
        this.#setting.link.send([ToCore.responseTrailers, this.#id, trailers]);
      },
      fault: (kind) => this.fault(kind),
      drained: () => this.#pauseClient(Pause.otherSide, false),
    };
  }

  #answerData(bytes: Uint8Array, end: boolean): void {
    if (this.#over) return;
    this.#upstreamEnd(end);
    this.#setting.observer.answerData(bytes, end);
    const room = this.#setting.link.sendPiece(ToCore.responseData, this.#id, bytes, end);
    if (!room) this.#waitForLine("upstream");
  }

  #toUpstream(bytes: Uint8Array, end: boolean): void {
    this.#setting.observer.forwardedData(bytes, end);
    const flowing = this.#call?.data(bytes, end) ?? true;
    if (!flowing) this.#pauseClient(Pause.otherSide, true);
    if (end) this.#watchTime();
  }

  #trailersToUpstream(trailers: FlatHeaders): void {
    this.#setting.observer.forwardedTrailers(trailers);
    try {
      this.#call?.trailers(trailers);
    } catch (error) {
      this.#call?.reset();
      this.#unsendable(error);
      return;
    }
    this.#watchTime();
  }

  /** Headers or trailers that cannot be sent to the upstream, as Node sees it. */
  #unsendable(error: unknown): void {
    this.#setting.observer.problem(error);
    setImmediate(() => this.fault("reset"));
  }

  #dropCall(): void {
    if (this.#upstreamDone) return;
    this.#upstreamEnd(true);
    this.#call?.reset();
  }

  #upstreamEnd(end: boolean): void {
    if (!end) return;
    this.#upstreamDone = true;
    this.#timer?.stop();
  }

  /** Envoy's route timeout counts from the end of the request. */
  #watchTime(): void {
    const { timeoutMs } = this.#setting;
    if (timeoutMs === 0 || this.#upstreamDone) return;
    this.#timer = startTimer(timeoutMs, () => {
      this.#call?.reset();
      this.fault("timeout");
    });
  }

  #waitForLine(side: "client" | "upstream"): void {
    const pause = (paused: boolean): void =>
      side === "client" ? this.#pauseClient(Pause.line, paused) : this.#pauseUpstream(Pause.line, paused);
    pause(true);
    this.#setting.link.whenRoom(() => pause(false));
  }

  #pauseClient(who: number, paused: boolean): void {
    const before = this.#clientPause;
    this.#clientPause = paused ? before | who : before & ~who;
    if ((before === 0) !== (this.#clientPause === 0) && !this.#over) this.#client.pause(this.#clientPause !== 0);
  }

  #pauseUpstream(who: number, paused: boolean): void {
    const before = this.#upstreamPause;
    this.#upstreamPause = paused ? before | who : before & ~who;
    if ((before === 0) !== (this.#upstreamPause === 0) && !this.#over) this.#call?.pause(this.#upstreamPause !== 0);
  }

  /** `GET`. */
  get method(): string {
    return headerOf(this.head.headers, ":method") ?? "";
  }

  /** `/a?b=c`. */
  get path(): string {
    return headerOf(this.head.headers, ":path") ?? "";
  }
}
