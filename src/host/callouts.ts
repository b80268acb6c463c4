import type { CalloutResponse, HttpCallout } from "./callout.ts";
import { completeCallout, failureResponse } from "./callout-headers.ts";
import { HeaderMap } from "./header-map.ts";
import type { CallScope, Delivery, GuestContext } from "./host-calls/scope.ts";
import { Status } from "./status.ts";

/** What `proxy_get_status` tells: the code of the last callout that failed, and its message while that is delivered. */
export interface CalloutStatus {
  code: number;
  message: string;
}

/** The status of each root context's callouts. The code of a failure stays until the next one, as in Envoy. */
export class CalloutStatuses {
  readonly #byRoot = new WeakMap<GuestContext, CalloutStatus>();

  /** Of the context itself: a stream has none, and says 0 and nothing. */
  of(context: GuestContext): CalloutStatus {
    const found = this.#byRoot.get(context) ?? { code: 0, message: "" };
    if (context.isRoot) this.#byRoot.set(context, found);
    return found;
  }

  /** Calls the guest with this code and message; without an effect when the guest does not listen. */
  during(root: GuestContext, code: number, message: string, call: () => number | undefined): void {
    const status = this.of(root);
    const before = status.code;
    status.code = code;
    status.message = message;
    if (call() === undefined) status.code = before;
    status.message = "";
  }
}

/** Calls the guest with maps and buffers that are there for this callback only. */
export function deliver(scope: CallScope, delivery: Delivery, call: () => number | undefined): number | undefined {
  const outer = scope.delivery;
  scope.delivery = delivery;
  try {
    return call();
  } finally {
    scope.delivery = outer;
  }
}

/** A request as a guest gives it; pairs are flat. The body is the host's own copy. */
export interface CalloutRequest {
  readonly cluster: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  readonly trailers: readonly string[];
  readonly timeoutMs: number;
}

/** The HTTP callouts of one VM: checks them, numbers them 4, 8, 12, …, and brings the answers to the root contexts. */
export class HttpCallouts {
  readonly #scope: CallScope;
  readonly #statuses: CalloutStatuses;
  readonly #pending = new Set<HttpCallout>();
  #lastToken = 0;

  constructor(scope: CallScope, statuses: CalloutStatuses) {
    this.#scope = scope;
    this.#statuses = statuses;
    scope.onEnd(() => this.#end());
  }

  /** The token, or why there is none. A cluster without endpoints costs a token all the same. */
  send(request: CalloutRequest): { readonly token: number } | Exclude<Status, 0> {
    const port = this.#scope.environment.callouts;
    const headers = HeaderMap.of("request", request.headers);
    if (port === undefined || request.timeoutMs < 0 || !REQUIRED.every((name) => headers.has(name))) {
      return Status.badArgument;
    }
    completeCallout(headers, request.body.length, request.timeoutMs);
    const call = this.#callout(request, headers);
    this.#pending.add(call);
    const started = port.http(call);
    if (started !== "unknown-cluster") this.#lastToken = call.token;
    if (started === "sent") return { token: call.token };
    this.#pending.delete(call);
    return started === "unknown-cluster" ? Status.badArgument : Status.internalFailure;
  }

  #callout(request: CalloutRequest, headers: HeaderMap): HttpCallout {
    const { context, environment } = this.#scope;
    const startedAt = environment.clock.monotonic();
    const call: HttpCallout = {
      token: (this.#lastToken + TOKEN_STEP) >>> 0,
      cluster: request.cluster,
      headers,
      body: request.body,
      trailers: undefined,
      timeoutMs: request.timeoutMs,
      plugin: context.root.plugin.name,
      contextId: context.id,
      answer: (response) => {
        // As on every answer that Envoy's router passes on.
        const took = (environment.clock.monotonic() - startedAt) / NANOSECONDS_PER_MILLISECOND;
        response.headers.set("x-envoy-upstream-service-time", String(took));
        this.#finish(call, context.root, response);
      },
      fail: (kind) => this.#finish(call, context.root, failureResponse(kind)),
    };
    return call;
  }

  /** Delivers the answer, or that there is none: once, and not while a guest is running. */
  #finish(call: HttpCallout, root: GuestContext, response: CalloutResponse | undefined): void {
    if (!this.#pending.delete(call)) return;
    this.#scope.afterCall(() => {
      const tell = (): number | undefined => {
        const sizes = [response?.headers.size ?? 0, response?.body.length ?? 0, response?.trailers?.size ?? 0];
        return this.#scope.callRoot("proxy_on_http_call_response", root, call.token, ...sizes);
      };
      if (response === undefined) this.#statuses.during(root, Status.brokenConnection, "reset", tell);
      else {
        const { headers, body, trailers } = response;
        deliver(this.#scope, { calloutHeaders: headers, calloutBody: body, calloutTrailers: trailers }, tell);
      }
    });
  }

  #end(): void {
    const port = this.#scope.environment.callouts;
    const given = Array.from(this.#pending);
    this.#pending.clear();
    for (const call of given) port?.cancelHttp?.(call);
  }
}

const REQUIRED = [":path", ":method", ":authority"];
/** HTTP callouts, gRPC calls and gRPC streams take turns of four, so that a token tells what it is of. */
const TOKEN_STEP = 4;
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;
