import { ABI_VERSIONS, type AbiVersion } from "../domain/abi-version.ts";
import { type FunctionType, functionType } from "./types.ts";

/** What a group of host calls lets a filter do. */
export type CapabilityGroup =
  | "log"
  | "time"
  | "status"
  | "properties"
  | "buffers"
  | "headers"
  | "stream"
  | "http-call"
  | "grpc-call"
  | "redis-call"
  | "shared-data"
  | "shared-queue"
  | "metrics"
  | "context"
  | "foreign-function"
  | "dns"
  | "runtime"
  | "wasi-output"
  | "wasi-clock"
  | "wasi-random"
  | "wasi-environment"
  | "wasi-process"
  | "wasi-files"
  | "wasi-sockets";

/** One function a proxy offers to modules. */
export interface HostImport {
  readonly name: string;
  readonly type: FunctionType;
  readonly group: CapabilityGroup;
  /** The ABIs it is linked for. */
  readonly abis: readonly AbiVersion[];
}

/** Name, parameters (`i` i32, `l` i64), group, and result when it is not one i32. */
type Row = readonly [name: string, params: string, group: CapabilityGroup, results?: string];

/** The two names the WASI functions are linked under; both hold the same 45. */
export const WASI_MODULES: readonly string[] = ["wasi_snapshot_preview1", "wasi_unstable"];

/** The module that holds the Proxy-Wasm host calls. */
export const PROXY_MODULE = "env";

const PROXY_ALL: readonly Row[] = [
  ["proxy_log", "iii", "log"],
  ["proxy_get_current_time_nanoseconds", "i", "time"],
  ["proxy_set_tick_period_milliseconds", "i", "time"],
  ["proxy_get_status", "iii", "status"],
  ["proxy_get_property", "iiii", "properties"],
  ["proxy_set_property", "iiii", "properties"],
  ["proxy_get_buffer_bytes", "iiiii", "buffers"],
  ["proxy_get_buffer_status", "iii", "buffers"],
  ["proxy_set_buffer_bytes", "iiiii", "buffers"],
  ["proxy_get_header_map_pairs", "iii", "headers"],
  ["proxy_set_header_map_pairs", "iii", "headers"],
  ["proxy_get_header_map_value", "iiiii", "headers"],
  ["proxy_add_header_map_value", "iiiii", "headers"],
  ["proxy_replace_header_map_value", "iiiii", "headers"],
  ["proxy_remove_header_map_value", "iii", "headers"],
  ["proxy_get_header_map_size", "ii", "headers"],
  ["proxy_send_local_response", "iiiiiiii", "stream"],
  ["proxy_http_call", "iiiiiiiiii", "http-call"],
  ["proxy_grpc_call", "iiiiiiiiiiii", "grpc-call"],
  ["proxy_grpc_stream", "iiiiiiiii", "grpc-call"],
  ["proxy_grpc_send", "iiii", "grpc-call"],
  ["proxy_grpc_cancel", "i", "grpc-call"],
  ["proxy_grpc_close", "i", "grpc-call"],
  ["proxy_get_shared_data", "iiiii", "shared-data"],
  ["proxy_set_shared_data", "iiiii", "shared-data"],
  ["proxy_register_shared_queue", "iii", "shared-queue"],
  ["proxy_resolve_shared_queue", "iiiii", "shared-queue"],
  ["proxy_enqueue_shared_queue", "iii", "shared-queue"],
  ["proxy_dequeue_shared_queue", "iii", "shared-queue"],
  ["proxy_define_metric", "iiii", "metrics"],
  ["proxy_increment_metric", "il", "metrics"],
  ["proxy_record_metric", "il", "metrics"],
  ["proxy_get_metric", "ii", "metrics"],
  ["proxy_set_effective_context", "i", "context"],
  ["proxy_done", "", "context"],
  ["proxy_call_foreign_function", "iiiiii", "foreign-function"],
  ["envoy_resolve_dns", "iii", "dns"],
  ["pthread_equal", "ii", "runtime"],
  ["emscripten_notify_memory_growth", "i", "runtime", ""],
];

const PROXY_010_ONLY: readonly Row[] = [
  ["proxy_get_configuration", "ii", "buffers"],
  ["proxy_continue_request", "", "stream"],
  ["proxy_continue_response", "", "stream"],
  ["proxy_clear_route_cache", "", "stream"],
];

const PROXY_FROM_020: readonly Row[] = [
  ["proxy_continue_stream", "i", "stream"],
  ["proxy_close_stream", "i", "stream"],
];

const PROXY_021_ONLY: readonly Row[] = [["proxy_get_log_level", "i", "log"]];

const WASI: readonly Row[] = [
  ["args_get", "ii", "wasi-environment"],
  ["args_sizes_get", "ii", "wasi-environment"],
  ["environ_get", "ii", "wasi-environment"],
  ["environ_sizes_get", "ii", "wasi-environment"],
  ["clock_res_get", "ii", "wasi-clock"],
  ["clock_time_get", "ili", "wasi-clock"],
  ["fd_advise", "illi", "wasi-files"],
  ["fd_allocate", "ill", "wasi-files"],
  ["fd_close", "i", "wasi-files"],
  ["fd_datasync", "i", "wasi-files"],
  ["fd_fdstat_get", "ii", "wasi-output"],
  ["fd_fdstat_set_flags", "ii", "wasi-output"],
  ["fd_fdstat_set_rights", "ill", "wasi-files"],
  ["fd_filestat_get", "ii", "wasi-files"],
  ["fd_filestat_set_size", "il", "wasi-files"],
  ["fd_filestat_set_times", "illi", "wasi-files"],
  ["fd_pread", "iiili", "wasi-files"],
  ["fd_prestat_dir_name", "iii", "wasi-files"],
  ["fd_prestat_get", "ii", "wasi-files"],
  ["fd_pwrite", "iiili", "wasi-files"],
  ["fd_read", "iiii", "wasi-files"],
  ["fd_readdir", "iiili", "wasi-files"],
  ["fd_renumber", "ii", "wasi-files"],
  ["fd_seek", "ilii", "wasi-files"],
  ["fd_sync", "i", "wasi-files"],
  ["fd_tell", "ii", "wasi-files"],
  ["fd_write", "iiii", "wasi-output"],
  ["path_create_directory", "iii", "wasi-files"],
  ["path_filestat_get", "iiiii", "wasi-files"],
  ["path_filestat_set_times", "iiiilli", "wasi-files"],
  ["path_link", "iiiiii", "wasi-files"],
  ["path_open", "iiiiillii", "wasi-files"],
  ["path_readlink", "iiiiii", "wasi-files"],
  ["path_remove_directory", "iii", "wasi-files"],
  ["path_rename", "iiiiii", "wasi-files"],
  ["path_symlink", "iiii", "wasi-files"],
  ["path_unlink_file", "iii", "wasi-files"],
  ["poll_oneoff", "iiii", "wasi-clock"],
  ["proc_exit", "i", "wasi-process", ""],
  ["random_get", "ii", "wasi-random"],
  ["sched_yield", "", "wasi-process"],
  ["sock_accept", "iii", "wasi-sockets"],
  ["sock_recv", "iiiiii", "wasi-sockets"],
  ["sock_send", "iiiii", "wasi-sockets"],
  ["sock_shutdown", "ii", "wasi-sockets"],
];

const link = (rows: readonly Row[], abis: readonly AbiVersion[]): readonly HostImport[] =>
  rows.map(([name, params, group, results = "i"]) => ({ name, type: functionType(params, results), group, abis }));

/** The host calls of module `env`, as Envoy 1.40 links them; `abis` says for which markers. */
export const PROXY_IMPORTS: readonly HostImport[] = [
  ...link(PROXY_ALL, ABI_VERSIONS),
  ...link(PROXY_010_ONLY, ["0.1.0"]),
  ...link(PROXY_FROM_020, ["0.2.0", "0.2.1"]),
  ...link(PROXY_021_ONLY, ["0.2.1"]),
];

/** The WASI functions (`path_link` and `path_symlink` as Envoy has them, one parameter fewer than in WASI), the same for every ABI and under both names of {@link WASI_MODULES}. */
export const WASI_IMPORTS: readonly HostImport[] = link(WASI, ABI_VERSIONS);

/** The host function of that module and name for any ABI (look at its `abis`), or `undefined` when no proxy has it. */
export function hostImport(module: string, name: string): HostImport | undefined {
  if (module === PROXY_MODULE) return PROXY_IMPORTS.find((item) => item.name === name);
  return WASI_MODULES.includes(module) ? WASI_IMPORTS.find((item) => item.name === name) : undefined;
}
