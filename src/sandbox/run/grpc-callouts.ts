import { startTimer, type Timer } from "../../platform/timer.ts";
import type { CalloutFailure } from "../../host/callout.ts";
import { headerOf } from "./flat-headers.ts";
import { FrameReader, frameMessage } from "./grpc-framing.ts";
import { MOST_CALLOUTS } from "./http-callouts.ts";
import { NO_BYTES, type Upstream, type UpstreamCall, type UpstreamEvents } from "./http-side.ts";
import type { FlatHeaders, GrpcOpenMessage } from "./messages.ts";

/** Takes what comes back on gRPC calls. */
export interface GrpcEvents {
  initial(id: number, metadata: FlatHeaders): void;
  message(id: number, message: Uint8Array): void;
  trailing(id: number, metadata: FlatHeaders): void;
  /** The last of a call: the upstream's word, or what went wrong. */
  closed(id: number, status: number, message: string): void;
  failed(id: number, kind: CalloutFailure): void;
}

/** gRPC's numbers that are used here. */
const Code = { unknown: 2, internal: 13 } as const;

/** The gRPC calls and streams of filters, over HTTP/2. */
export class GrpcCallouts {
  readonly #clusters: ReadonlyMap<string, Upstream>;
  readonly #events: GrpcEvents;
  readonly #calls = new Map<number, GrpcCall>();

  /** @param clusters that speak HTTP/2; calls to others end as unavailable. */
  constructor(clusters: ReadonlyMap<string, Upstream>, events: GrpcEvents) {
    this.#clusters = clusters;
    this.#events = events;
  }

  open(id: number, message: GrpcOpenMessage): void {
    const events: GrpcEvents = {
      ...this.#events,
      closed: (own, status, text) => {
        this.#calls.delete(own);
        this.#events.closed(own, status, text);
      },
      failed: (own, kind) => {
        this.#calls.delete(own);
        this.#events.failed(own, kind);
      },
    };
    if (this.#calls.size >= MOST_CALLOUTS) return void setImmediate(() => this.#events.failed(id, "overflow"));
    const call = new GrpcCall(id, events);
    this.#calls.set(id, call);
    call.start(this.#clusters.get(message.cluster), message);
  }

  send(id: number, message: Uint8Array, endStream: boolean): void {
    this.#calls.get(id)?.send(message, endStream);
  }

  closeStream(id: number): void {
    this.#calls.get(id)?.end();
  }

  cancel(id: number): void {
    this.#calls.get(id)?.drop();
    this.#calls.delete(id);
  }

  /** Gives everything up; nobody is told. */
  close(): void {
    for (const call of this.#calls.values()) call.drop();
    this.#calls.clear();
  }
}

class GrpcCall {
  readonly #id: number;
  readonly #events: GrpcEvents;
  readonly #reader = new FrameReader();
  #call: UpstreamCall | undefined;
  #timer: Timer | undefined;
  #answering = false;
  #ended = false;
  #over = false;

  constructor(id: number, events: GrpcEvents) {
    this.#id = id;
    this.#events = events;
  }

  start(upstream: Upstream | undefined, { unary, headers }: GrpcOpenMessage): void {
    if (upstream === undefined) return void setImmediate(() => this.#fail("refused"));
    try {
      this.#call = upstream.send(headers, false, this.#upstreamEvents());
    } catch {
      // Headers that cannot be sent.
      return void setImmediate(() => this.#fail("protocol-error"));
    }
    if (unary === undefined) return;
    this.send(unary.message, true);
    if (unary.timeoutMs > 0) this.#timer = startTimer(unary.timeoutMs, () => this.#fail("timeout"));
  }

  send(message: Uint8Array, endStream: boolean): void {
    if (this.#ended || this.#over) return;
    this.#ended = endStream;
    this.#call?.data(frameMessage(message), endStream);
  }

  end(): void {
    if (this.#ended || this.#over) return;
    this.#ended = true;
    this.#call?.data(NO_BYTES, true);
  }

  drop(): void {
    this.#over = true;
    this.#timer?.stop();
    this.#call?.reset();
  }

  #upstreamEvents(): UpstreamEvents {
    return {
      headers: (headers, end) => this.#headers(headers, end),
      data: (bytes, end) => this.#data(bytes, end),
      trailers: (trailers) => this.#trailers(trailers),
      fault: (kind) => this.#fail(kind),
      drained: () => undefined,
    };
  }

  #headers(headers: FlatHeaders, end: boolean): void {
    if (this.#over) return;
    this.#answering = true;
    this.#events.initial(this.#id, end ? [] : headers);
    const status = headerOf(headers, ":status") ?? "";
    if (status !== "200" && !(end && headerOf(headers, "grpc-status") !== undefined)) {
      return this.#give(HTTP_TO_GRPC[status] ?? Code.unknown);
    }
    if (end) this.#trailers(headers);
  }

  #data(bytes: Uint8Array, end: boolean): void {
    if (this.#over) return;
    const messages = this.#reader.read(bytes);
    if (messages === undefined) return this.#give(Code.internal);
    for (const message of messages) this.#events.message(this.#id, message);
    // A gRPC answer ends with trailers.
    if (end) this.#give(Code.unknown);
  }

  #trailers(trailers: FlatHeaders): void {
    if (this.#over) return;
    this.#events.trailing(this.#id, trailers);
    const status = headerOf(trailers, "grpc-status");
    const known = status !== undefined && /^\d{1,9}$/u.test(status);
    this.#close(known ? Number(status) : Code.unknown, headerOf(trailers, "grpc-message") ?? "");
  }

  /** The answer is none of gRPC's: it ends with a status of our own and empty trailers. */
  #give(status: number): void {
    this.#call?.reset();
    this.#events.trailing(this.#id, []);
    this.#close(status, "");
  }

  #fail(kind: CalloutFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.stop();
    this.#call?.reset();
    this.#events.failed(this.#id, this.#answering ? "cut-short" : kind);
  }

  #close(status: number, message: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.stop();
    this.#events.closed(this.#id, status, message);
  }
}

/** gRPC's "HTTP to gRPC Status Code Mapping". */
const HTTP_TO_GRPC: Readonly<Record<string, number>> = {
  "400": 13,
  "401": 16,
  "403": 7,
  "404": 12,
  "429": 14,
  "502": 14,
  "503": 14,
  "504": 14,
};
