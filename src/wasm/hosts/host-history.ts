import { type CapabilityGroup, PROXY_MODULE, WASI_MODULES } from "../host-imports.ts";
import { type FunctionType, functionType } from "../types.ts";
import type { Evidence } from "./host-verdict.ts";

/** Versions of a host, and since when it has which functions. */
export interface HostHistory {
  /** The first version that runs filters, and the newest one that is known; empty for a service without versions. */
  readonly oldest: string;
  readonly newest: string;
  /** Whether a version was run or only read of. */
  readonly evidence: (version: string) => Evidence;
  /**
   * The first version that offers an import to the modules whose ABI has it; `undefined` when it is not known. Imports
   * that Envoy 1.40 does not have are none of its business, but for those in `own`.
   */
  readonly importSince: (module: string, name: string) => string | undefined;
  /** The first version that lets start code (`_initialize`, `_start`, `main`) call it. */
  readonly startCallSince: (module: string, name: string) => string;
  /** Functions of module `env` that only this host has. */
  readonly own: ReadonlyMap<string, OwnImport>;
}

/** A function that one host adds to the ABI. */
export interface OwnImport {
  readonly type: FunctionType;
  readonly group: CapabilityGroup;
  readonly since: string;
}

/** WASI functions by the moment Envoy got them. */
const FIRST_WASI: ReadonlySet<string> = words(
  "args_get args_sizes_get environ_get environ_sizes_get clock_time_get random_get proc_exit",
  "fd_close fd_fdstat_get fd_read fd_seek fd_write",
);
const PREOPEN_WASI: ReadonlySet<string> = words("path_open fd_prestat_get fd_prestat_dir_name");
const GO_WASI: ReadonlySet<string> = words("sched_yield poll_oneoff fd_fdstat_set_flags");

/** Envoy's versions that were asked with a module for each function; the others are read of. */
const ENVOY_RUN: ReadonlySet<string> = words("1.36 1.37 1.39 1.40");

/**
 * Envoy. Run: 1.36, 1.37, 1.39 and 1.40. Read: 1.17 was the first with Wasm; 1.21 took the pull request #201 of
 * proxy-wasm-cpp-host, 1.24 its #288 and #306, 1.33 its #427 (and says so in its release notes), 1.37 its #461, 1.39 its
 * #533.
 */
export const ENVOY: HostHistory = {
  oldest: "1.17",
  newest: "1.40",
  evidence: (version) => (ENVOY_RUN.has(version.split(".", 2).join(".")) ? "run" : "read"),
  importSince: (module, name) => {
    if (module === PROXY_MODULE && name === "emscripten_notify_memory_growth") return "1.24";
    if (!WASI_MODULES.includes(module) || FIRST_WASI.has(name)) return "1.17";
    if (PREOPEN_WASI.has(name)) return "1.21";
    return GO_WASI.has(name) ? "1.33" : "1.39";
  },
  startCallSince: (module, name) => {
    if (module === PROXY_MODULE && name === "emscripten_notify_memory_growth") return "1.37";
    return WASI_MODULES.includes(module) && name === "poll_oneoff" ? "1.39" : "1.17";
  },
  own: new Map(),
};

/** Istio 1.N carries Envoy 1.(N + 8), since 1.9 (istio.io, "Supported Envoy Versions"). */
const ISTIO_DISTANCE = 8;

/** The Istio release that carries a version of Envoy. */
export function istioOf(envoy: string): string {
  return `1.${Number(envoy.split(".")[1]) - ISTIO_DISTANCE}`;
}

/** Istio: its proxy is an Envoy of about the same age. */
export const ISTIO: HostHistory = {
  oldest: istioOf(ENVOY.oldest),
  newest: istioOf(ENVOY.newest),
  evidence: () => "read",
  importSince: (module, name) => {
    const since = ENVOY.importSince(module, name);
    return since === undefined ? undefined : istioOf(since);
  },
  startCallSince: (module, name) => istioOf(ENVOY.startCallSince(module, name)),
  own: new Map(),
};

/** Google's service has no versions: it is as it is. */
export const GOOGLE: HostHistory = {
  oldest: "",
  newest: "",
  evidence: () => "read",
  importSince: () => "",
  startCallSince: () => "",
  own: new Map(),
};

const GO_HIGRESS = "2.1.4";

/**
 * Higress: a fork of Envoy 1.27 with host calls of its own. Read: its fork of proxy-wasm-cpp-host, and its documentation,
 * which asks for 2.1.4 where plugins are built by Go 1.24. Which of the rarer WASI functions came when is not known.
 */
export const HIGRESS: HostHistory = {
  oldest: "2.0",
  newest: GO_HIGRESS,
  evidence: () => "read",
  importSince: (module, name) => {
    if (!WASI_MODULES.includes(module) || FIRST_WASI.has(name) || PREOPEN_WASI.has(name)) return "2.0";
    return GO_WASI.has(name) || name === "fd_filestat_get" || name === "path_filestat_get" ? GO_HIGRESS : undefined;
  },
  startCallSince: () => "2.0",
  own: new Map([
    ["proxy_redis_init", { type: functionType("iiiiiii", "i"), group: "redis-call", since: "2.0" }],
    ["proxy_redis_call", { type: functionType("iiiii", "i"), group: "redis-call", since: "2.0" }],
    [
      "proxy_inject_encoded_data_to_filter_chain",
      { type: functionType("iii", "i"), group: "buffers", since: GO_HIGRESS },
    ],
  ]),
};

/** When ngx_wasm_module took its pull request #684: stubs for the WASI functions it lacked. */
const NGINX_STUBS = "2025-02";

/**
 * nginx with ngx_wasm_module, whose versions are months here. Read only: its link step knows `env` and
 * `wasi_snapshot_preview1`.
 */
export const NGINX: HostHistory = {
  oldest: "2023-07",
  newest: NGINX_STUBS,
  evidence: () => "read",
  importSince: (module, name) => {
    if (module === PROXY_MODULE) return name.startsWith("proxy_") ? "2023-07" : undefined;
    return FIRST_WASI.has(name) || PREOPEN_WASI.has(name) ? "2023-07" : NGINX_STUBS;
  },
  startCallSince: () => "2023-07",
  own: new Map(),
};

function words(...lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(" ")));
}
