/**
 * The hosts whose rules can be followed. `nginx` is by documentation, not by measurement; `google-tester` is the program
 * Google's plugin test files are written for, which is no proxy and differs from Google's too.
 */
export type ProfileName = "envoy" | "google" | "google-tester" | "nginx";

/** Where hosts differ. */
export interface Profile {
  readonly name: ProfileName;
  /** Bytes of module and configuration together; `undefined` is no limit. */
  readonly maxModuleBytes: number | undefined;
  /** Pages of 64 KiB one VM may have. */
  readonly maxMemoryPages: number;
  /** Milliseconds one callback should take at most; measured after the call and reported. */
  readonly softCallMs: number | undefined;
  /** Host calls this host does not have: linked, answered Unimplemented and reported. */
  readonly unsupportedCalls: ReadonlySet<string>;
  /** Callbacks this host never makes. */
  readonly unsupportedCallbacks: ReadonlySet<string>;
  /**
   * The looser and stricter rules of Google's tester: header names reach the maps as the guest wrote them, a whole map that
   * is not there is a bad argument, a body can be changed in its middle, and a stream has the properties it was given and
   * no others.
   */
  readonly tester: boolean;
}

/** The rules of a host by name. */
export function profileOf(name: ProfileName): Profile {
  return PROFILES[name];
}

const CALLOUTS = ["proxy_http_call", "proxy_grpc_call", "proxy_grpc_stream", "proxy_grpc_send", "proxy_grpc_cancel"];
const QUEUES = ["register", "resolve", "enqueue", "dequeue"].map((verb) => `proxy_${verb}_shared_queue`);
const SHARED = ["proxy_get_shared_data", "proxy_set_shared_data", ...QUEUES];
const METRICS = ["proxy_define_metric", "proxy_increment_metric", "proxy_record_metric", "proxy_get_metric"];

const GOOGLE_CALLS: ReadonlySet<string> = new Set([
  ...CALLOUTS,
  "proxy_grpc_close",
  ...SHARED,
  ...METRICS,
  "proxy_set_tick_period_milliseconds",
]);
const GOOGLE_CALLBACKS: ReadonlySet<string> = new Set([
  "proxy_on_tick",
  "proxy_on_request_trailers",
  "proxy_on_response_trailers",
]);

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  envoy: {
    name: "envoy",
    maxModuleBytes: undefined,
    maxMemoryPages: 16_384,
    softCallMs: undefined,
    unsupportedCalls: new Set(),
    unsupportedCallbacks: new Set(),
    tester: false,
  },
  google: {
    name: "google",
    maxModuleBytes: 2 * 1024 * 1024,
    maxMemoryPages: 256,
    softCallMs: 1,
    unsupportedCalls: GOOGLE_CALLS,
    unsupportedCallbacks: GOOGLE_CALLBACKS,
    tester: false,
  },
  "google-tester": {
    name: "google-tester",
    maxModuleBytes: undefined,
    maxMemoryPages: 16_384,
    softCallMs: undefined,
    unsupportedCalls: GOOGLE_CALLS,
    unsupportedCallbacks: GOOGLE_CALLBACKS,
    tester: true,
  },
  nginx: {
    name: "nginx",
    maxModuleBytes: undefined,
    maxMemoryPages: 16_384,
    softCallMs: undefined,
    unsupportedCalls: new Set([
      "proxy_grpc_call",
      "proxy_grpc_stream",
      "proxy_grpc_send",
      "proxy_grpc_cancel",
      "proxy_grpc_close",
      "proxy_close_stream",
      "proxy_done",
      "proxy_resolve_shared_queue",
    ]),
    unsupportedCallbacks: new Set([
      "proxy_on_request_trailers",
      "proxy_on_response_trailers",
      "proxy_on_queue_ready",
      "proxy_on_new_connection",
      "proxy_on_downstream_data",
      "proxy_on_upstream_data",
    ]),
    tester: false,
  },
};
