import { headerOf } from "./flat-headers.ts";
import { FrameReader, frameMessage } from "./grpc-framing.ts";
import { NO_BYTES, type Upstream, type UpstreamCall, type UpstreamEvents } from "./http-side.ts";
import type { FlatHeaders, GrpcOpenMessage } from "./messages.ts";

/** Takes what comes back on gRPC calls. */
export interface GrpcEvents {
  initial(id: number, metadata: FlatHeaders): void;
  message(id: number, message: Uint8Array): void;
  trailing(id: number, metadata: FlatHeaders): void;
  /** The last of a call. */
  closed(id: number, status: number, message: string): void;
}

/** gRPC's numbers that are used here. */
const Code = { deadlineExceeded: 4, unknown: 2, internal: 13, unavailable: 14 } as const;

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
    };
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
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #over = false;

  constructor(id: number, events: GrpcEvents) {
    this.#id = id;
    this.#events = events;
  }

  start(upstream: Upstream | undefined, { unary, ...message }: GrpcOpenMessage): void {
    if (upstream === undefined)
      return void setImmediate(() => this.#close(Code.unavailable, "no HTTP/2 to this cluster"));
    try {
      this.#call = upstream.send(grpcHeaders({ ...message, unary }), false, this.#upstreamEvents());
    } catch (error) {
      const text = error instanceof Error ? error.message : "";
      return void setImmediate(() => this.#close(Code.internal, text));
    }
    if (unary === undefined) return;
    this.send(unary.message, true);
    if (unary.timeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.#call?.reset();
        this.#close(Code.deadlineExceeded, "upstream request timeout");
      }, unary.timeoutMs);
    }
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
    clearTimeout(this.#timer);
    this.#call?.reset();
  }

  #upstreamEvents(): UpstreamEvents {
    return {
      headers: (headers, end) => this.#headers(headers, end),
      data: (bytes, end) => this.#data(bytes, end),
      trailers: (trailers) => this.#trailers(trailers),
      fault: (kind) =>
        kind === "refused" ? this.#close(Code.unavailable, "connection failure") : this.#fail(Code.internal, ""),
      drained: () => undefined,
    };
  }

  #headers(headers: FlatHeaders, end: boolean): void {
    if (this.#over) return;
    const status = headerOf(headers, ":status");
    if (status !== "200" && !(end && headerOf(headers, "grpc-status") !== undefined)) {
      return this.#fail(HTTP_TO_GRPC[status ?? ""] ?? Code.unknown, "");
    }
    if (end) return this.#trailers(headers);
    this.#events.initial(this.#id, headers);
  }

  #data(bytes: Uint8Array, end: boolean): void {
    if (this.#over) return;
    const messages = this.#reader.read(bytes);
    if (messages === undefined) return this.#fail(Code.internal, "");
    for (const message of messages) this.#events.message(this.#id, message);
    // A gRPC answer ends with trailers.
    if (end) this.#fail(Code.unknown, "");
  }

  #trailers(trailers: FlatHeaders): void {
    if (this.#over) return;
    this.#events.trailing(this.#id, trailers);
    const status = headerOf(trailers, "grpc-status");
    const message = percentDecoded(headerOf(trailers, "grpc-message") ?? "");
    this.#close(status === undefined || !/^\d+$/u.test(status) ? Code.unknown : Number(status), message);
  }

  #fail(status: number, message: string): void {
    this.#call?.reset();
    this.#close(status, message);
  }

  #close(status: number, message: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#events.closed(this.#id, status, message);
  }
}

function grpcHeaders({ cluster, service, method, initialMetadata, unary }: GrpcOpenMessage): string[] {
  const timeout = unary === undefined || unary.timeoutMs === 0 ? [] : ["grpc-timeout", `${unary.timeoutMs}m`];
  return [
    ":method",
    "POST",
    ":path",
    `/${service}/${method}`,
    ":authority",
    cluster,
    ":scheme",
    "http",
    "te",
    "trailers",
    ...timeout,
    "content-type",
    "application/grpc",
    ...initialMetadata,
  ];
}

/** gRPC's messages are percent-encoded on the wire. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
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
