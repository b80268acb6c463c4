/** What a host that loads the usual modules still does not do. */
export interface HostLimits {
  /** Bytes of module and plugin configuration together. */
  readonly maxBytes: number | undefined;
  /** Pages of 64 KiB one VM may have. */
  readonly maxMemoryPages: number | undefined;
  /** Host calls of module `env` it does not have: they are linked and fail. */
  readonly calls: ReadonlySet<string>;
  /** Callbacks it never makes. */
  readonly callbacks: ReadonlySet<string>;
  /** Modules of imports it does not have at all: nothing of them is linked. */
  readonly modules: ReadonlySet<string>;
}

const GRPC = ["call", "stream", "send", "cancel", "close"].map((verb) => `proxy_grpc_${verb}`);
const QUEUES = ["register", "resolve", "enqueue", "dequeue"].map((verb) => `proxy_${verb}_shared_queue`);
const METRICS = ["define", "increment", "record", "get"].map((verb) => `proxy_${verb}_metric`);
const TRAILERS = ["proxy_on_request_trailers", "proxy_on_response_trailers"];
const TCP = [
  "proxy_on_new_connection",
  ...["downstream", "upstream"].flatMap((side) => [`proxy_on_${side}_data`, `proxy_on_${side}_connection_close`]),
];

/** Google Cloud's Service Extensions, by their documentation. */
export const GOOGLE_LIMITS: HostLimits = {
  maxBytes: 2 * 1024 * 1024,
  maxMemoryPages: 256,
  calls: new Set([
    "proxy_http_call",
    ...GRPC,
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    ...QUEUES,
    ...METRICS,
    "proxy_set_tick_period_milliseconds",
  ]),
  callbacks: new Set([...TRAILERS, ...TCP, "proxy_on_tick", "proxy_on_queue_ready"]),
  modules: new Set(),
};

/** ngx_wasm_module, by its documentation and sources. */
export const NGINX_LIMITS: HostLimits = {
  maxBytes: undefined,
  maxMemoryPages: undefined,
  calls: new Set([
    ...GRPC,
    "proxy_close_stream",
    "proxy_done",
    "proxy_resolve_shared_queue",
    "proxy_get_log_level",
    "proxy_get_status",
  ]),
  callbacks: new Set([...TRAILERS, ...TCP, "proxy_on_queue_ready"]),
  modules: new Set(["wasi_unstable"]),
};
