import { ABI_VERSIONS, type AbiVersion } from "../domain/abi-version.ts";
import { type FunctionType, functionType } from "./types.ts";

/** A function that a proxy looks for among the exports, and the type it must have when it is there. */
export interface GuestExport {
  readonly name: string;
  readonly type: FunctionType;
  readonly abis: readonly AbiVersion[];
}

/** Where the allocator is looked for, in this order; the second one counts only when there is no first. */
export const ALLOCATORS = ["malloc", "proxy_on_memory_allocate"] as const;
export const ALLOCATOR_TYPE: FunctionType = functionType("i", "i");

/** Called first when it is there; `_start` is looked at only when it is not. */
export const INITIALIZE: GuestExport = { name: "_initialize", type: functionType("", ""), abis: ABI_VERSIONS };
export const START: GuestExport = { name: "_start", type: functionType("", ""), abis: ABI_VERSIONS };

/** Looked at only beside `_initialize`. */
export const MAIN_FUNCTIONS: readonly GuestExport[] = [
  { name: "main", type: functionType("ii", "i"), abis: ABI_VERSIONS },
  { name: "__main_void", type: functionType("", "i"), abis: ABI_VERSIONS },
];

const FROM_020: readonly AbiVersion[] = ["0.2.0", "0.2.1"];

type Row = readonly [name: string, params: string, results: string, abis?: readonly AbiVersion[]];

const ROWS: readonly Row[] = [
  ["proxy_on_context_create", "ii", ""],
  ["proxy_on_vm_start", "ii", "i"],
  ["proxy_validate_configuration", "ii", "i"],
  ["proxy_on_configure", "ii", "i"],
  ["proxy_on_tick", "i", ""],
  ["proxy_on_queue_ready", "ii", ""],
  ["proxy_on_foreign_function", "iii", "", FROM_020],
  ["proxy_on_new_connection", "i", "i"],
  ["proxy_on_downstream_data", "iii", "i"],
  ["proxy_on_upstream_data", "iii", "i"],
  ["proxy_on_downstream_connection_close", "ii", ""],
  ["proxy_on_upstream_connection_close", "ii", ""],
  ["proxy_on_request_headers", "ii", "i", ["0.1.0"]],
  ["proxy_on_response_headers", "ii", "i", ["0.1.0"]],
  ["proxy_on_request_headers", "iii", "i", FROM_020],
  ["proxy_on_response_headers", "iii", "i", FROM_020],
  ["proxy_on_request_body", "iii", "i"],
  ["proxy_on_response_body", "iii", "i"],
  ["proxy_on_request_trailers", "ii", "i"],
  ["proxy_on_response_trailers", "ii", "i"],
  ["proxy_on_request_metadata", "ii", "i"],
  ["proxy_on_response_metadata", "ii", "i"],
  ["proxy_on_http_call_response", "iiiii", ""],
  ["proxy_on_grpc_receive_initial_metadata", "iii", ""],
  ["proxy_on_grpc_receive", "iii", ""],
  ["proxy_on_grpc_receive_trailing_metadata", "iii", ""],
  ["proxy_on_grpc_close", "iii", ""],
  ["proxy_on_done", "i", "i"],
  ["proxy_on_log", "i", ""],
  ["proxy_on_delete", "i", ""],
  ["envoy_on_resolve_dns", "iii", ""],
  ["envoy_on_stats_update", "ii", ""],
];

/** The callbacks of the ABI, as Envoy 1.40 looks them up; a missing one means that the filter is not interested. */
export const CALLBACKS: readonly GuestExport[] = ROWS.map(([name, params, results, abis = ABI_VERSIONS]) => ({
  name,
  type: functionType(params, results),
  abis,
}));
