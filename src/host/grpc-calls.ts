import type { CalloutFailure, GrpcCallout, GrpcHandle } from "./callout.ts";
import { type CalloutStatuses, deliver } from "./callouts.ts";
import {
  GRPC_INTERNAL,
  GRPC_UNAVAILABLE,
  type GrpcFailure,
  grpcFailure,
  grpcRequestHeaders,
  withDetails,
} from "./callout-headers.ts";
import type { GrpcService } from "./grpc-service.ts";
import { HeaderMap } from "./header-map.ts";
import type { CallScope, Delivery, GuestContext } from "./host-calls/scope.ts";
import { Status } from "./status.ts";

/** What a guest asks for; `unary` is absent for a stream. */
export interface GrpcRequest {
  readonly service: GrpcService;
  readonly serviceName: string;
  readonly methodName: string;
  /** Flat pairs. */
  readonly metadata: readonly string[];
  readonly unary: { readonly message: Uint8Array; readonly timeoutMs: number } | undefined;
}

/**
 * The gRPC calls (5, 9, 13, …) and streams (6, 10, 14, …) of one VM. A call that succeeds is told by its message alone, one
 * that fails by its end alone; a stream tells everything. An ended stream stays until the guest closes its side too.
 */
export class GrpcCalls {
  readonly #scope: CallScope;
  readonly #statuses: CalloutStatuses;
  readonly #open = new Map<number, OpenCall>();
  readonly #lastToken = [UNARY, STREAM];
  /** A failed start is being told of. */
  #telling = false;

  constructor(scope: CallScope, statuses: CalloutStatuses) {
    this.#scope = scope;
    this.#statuses = statuses;
    scope.onEnd(() => this.#end());
  }

  /** The token, or why there is none. Only an unknown cluster's name costs no token. */
  start(request: GrpcRequest): { readonly token: number } | Exclude<Status, 0> {
    const kind = request.unary === undefined ? STREAM : UNARY;
    const token = ((this.#lastToken[kind - UNARY] ?? 0) + TOKEN_STEP) >>> 0;
    const call = new OpenCall(token, this.#scope.context.root, kind === UNARY);
    this.#open.set(token, call);
    const started = this.#scope.environment.callouts?.grpc?.(this.#callout(call, request)) ?? "unknown-cluster";
    if (started === "unknown-cluster" && request.service.byName) {
      this.#open.delete(token);
      return Status.parseFailure;
    }
    this.#lastToken[kind - UNARY] = token;
    if (typeof started !== "string") {
      call.handle = started;
      return { token };
    }
    this.#notStarted(call, started === "no-endpoint" ? grpcFailure("no-endpoint") : undefined);
    return Status.internalFailure;
  }

  /** Sends a message on a stream. */
  send(token: number, message: Uint8Array, endStream: boolean): Status {
    if ((token & KIND_MASK) !== STREAM) return Status.badArgument;
    const call = this.#open.get(token);
    if (call === undefined) return Status.notFound;
    if (endStream) call.sentAll ??= this.#scope.environment.clock.monotonic();
    if (!call.remoteClosed) call.handle?.send(message, endStream);
    return Status.ok;
  }

  /** Ends a stream's own side, or gives a call up. */
  close(token: number): Status {
    const call = this.#find(token);
    if (!(call instanceof OpenCall)) return call;
    if (call.unary) return this.cancel(token);
    if (call.remoteClosed) this.#open.delete(token);
    else call.handle?.close();
    call.sentAll ??= this.#scope.environment.clock.monotonic();
    call.localClosed = true;
    return Status.ok;
  }

  /** Gives a call or stream up: nothing of it is told any more. */
  cancel(token: number): Status {
    const call = this.#find(token);
    if (!(call instanceof OpenCall)) return call;
    this.#open.delete(token);
    call.gone = true;
    if (!call.remoteClosed) call.handle?.cancel();
    return Status.ok;
  }

  #find(token: number): OpenCall | Status {
    const kind = token & KIND_MASK;
    if (kind !== UNARY && kind !== STREAM) return Status.badArgument;
    return this.#open.get(token) ?? Status.notFound;
  }

  #callout(call: OpenCall, request: GrpcRequest): GrpcCallout {
    const { service, serviceName, methodName, unary } = request;
    const target = {
      authority: service.authority,
      service: serviceName,
      method: methodName,
      timeoutMs: unary?.timeoutMs,
    };
    const { context } = this.#scope;
    return {
      token: call.token,
      cluster: service.cluster,
      service: serviceName,
      method: methodName,
      initialMetadata: grpcRequestHeaders(target, [...service.metadata, ...request.metadata]),
      unary,
      plugin: context.root.plugin.name,
      contextId: context.id,
      initialMetadataReceived: (metadata) => this.#later(call, () => this.#initial(call, metadata)),
      received: (message) => this.#later(call, () => this.#message(call, message)),
      trailingMetadataReceived: (metadata) => this.#later(call, () => this.#trailing(call, metadata)),
      closed: (status, message) => this.#later(call, () => this.#closed(call, status, message)),
      fail: (kind) => this.#later(call, () => this.#failed(call, kind)),
    };
  }

  /** A delivery: not while a guest is running, and not after the call was given up or has ended. */
  #later(call: OpenCall, action: () => void): void {
    this.#scope.afterCall(() => {
      if (!call.gone && !call.remoteClosed) action();
    });
  }

  #initial(call: OpenCall, metadata: HeaderMap): void {
    if (!call.unary) {
      const name = "proxy_on_grpc_receive_initial_metadata";
      if (call.sentAll !== undefined && metadata.size > 0) {
        const took = (this.#scope.environment.clock.monotonic() - call.sentAll) / 1_000_000n;
        metadata.set("x-envoy-upstream-service-time", String(took));
      }
      this.#tell(call, name, { grpcInitialMetadata: metadata }, metadata.size);
    }
    call.answered = true;
  }

  #message(call: OpenCall, message: Uint8Array): void {
    call.answered = true;
    if (call.unary) call.response = message;
    else this.#tell(call, "proxy_on_grpc_receive", { grpcMessage: message }, message.length);
  }

  #trailing(call: OpenCall, metadata: HeaderMap): void {
    if (!call.unary) {
      const name = "proxy_on_grpc_receive_trailing_metadata";
      this.#tell(call, name, { grpcTrailingMetadata: metadata }, metadata.size);
    }
  }

  #closed(call: OpenCall, status: number, message: string): void {
    if (!call.unary || status !== 0) this.#close(call, status, withDetails(message));
    else if (call.response === undefined) this.#close(call, GRPC_INTERNAL, "");
    else {
      call.remoteClosed = true;
      this.#tell(call, "proxy_on_grpc_receive", { grpcMessage: call.response }, call.response.length);
      this.#open.delete(call.token);
    }
  }

  #failed(call: OpenCall, kind: CalloutFailure): void {
    if (kind === "cut-short" || call.answered) {
      this.#trailing(call, new HeaderMap("trailers"));
      if (!call.gone) this.#close(call, GRPC_INTERNAL, CUT_SHORT);
    } else {
      const failure = grpcFailure(kind);
      this.#tellFailure(call, failure);
      if (!call.gone) this.#close(call, failure.status, failure.message);
    }
  }

  /**
   * Envoy tells of a failed start at once, while the guest is still in the call, and of its end afterwards. A guest that
   * starts again when it hears of that would go on for ever (Envoy runs out of stack, or hangs): it is told later, so that
   * the host's driver gets its turn.
   */
  #notStarted(call: OpenCall, failure: GrpcFailure | undefined): void {
    this.#open.delete(call.token);
    const message = failure?.message ?? "Cluster not available";
    const start = (): void => {
      if (failure !== undefined) this.#tellFailure(call, failure);
    };
    const end = (): void => this.#close(call, GRPC_UNAVAILABLE, message);
    if (this.#telling) {
      this.#scope.host.post(() => this.#during(start));
      this.#scope.host.post(() => this.#during(end));
    } else {
      this.#during(start);
      this.#scope.afterCall(() => this.#during(end));
    }
  }

  /** Tells of a failed start. */
  #during(action: () => void): void {
    const outer = this.#telling;
    this.#telling = true;
    try {
      action();
    } finally {
      this.#telling = outer;
    }
  }

  #tellFailure(call: OpenCall, failure: GrpcFailure): void {
    this.#initial(call, new HeaderMap("response"));
    if (!call.gone) this.#trailing(call, failure.trailers);
  }

  #close(call: OpenCall, status: number, message: string): void {
    call.remoteClosed = true;
    const tell = (): number | undefined => this.#scope.callRoot("proxy_on_grpc_close", call.root, call.token, status);
    this.#statuses.during(call.root, status, message, tell);
    if (call.unary || call.localClosed) this.#open.delete(call.token);
  }

  #tell(call: OpenCall, name: string, delivery: Delivery, size: number): void {
    deliver(this.#scope, delivery, () => this.#scope.callRoot(name, call.root, call.token, size));
  }

  #end(): void {
    for (const call of this.#open.values()) {
      call.gone = true;
      if (!call.remoteClosed) call.handle?.cancel();
    }
    this.#open.clear();
  }
}

class OpenCall {
  handle: GrpcHandle | undefined;
  /** The message of a unary call, the last one if there are several. */
  response: Uint8Array | undefined;
  answered = false;
  /** When this side of a stream ended: from then on Envoy's router tells how long the answer took. */
  sentAll: bigint | undefined;
  localClosed = false;
  remoteClosed = false;
  /** Given up by the guest. */
  gone = false;
  readonly token: number;
  readonly root: GuestContext;
  readonly unary: boolean;

  constructor(token: number, root: GuestContext, unary: boolean) {
    this.token = token;
    this.root = root;
    this.unary = unary;
  }
}

/** What Envoy says of an answer that had begun. */
const CUT_SHORT = "upstream_reset_after_response_started{connection_termination}";
/** The low two bits of a token tell the kind; those of HTTP callouts are 0. */
const KIND_MASK = 3;
const UNARY = 1;
const STREAM = 2;
const TOKEN_STEP = 4;
