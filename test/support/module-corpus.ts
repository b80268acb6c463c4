import { filterFunctions, filterModule, buildModule, type ModuleSpec } from "./wasm-builder.ts";

const without = (name: string): ModuleSpec => ({ functions: filterFunctions().filter((item) => item.export !== name) });
/** A loadable module with these imports. */
export const importing = (...imports: NonNullable<ModuleSpec["imports"]>): Uint8Array => filterModule({ imports });
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** Each faulty module with the fault it must be refused for: code, kind and what the sentence must say. */
export const FAULTY_MODULES: readonly (readonly [string, Uint8Array, string, string, RegExp])[] = [
  ["an empty file", bytes(), "MODULE_NOT_WASM", "usage", /not a WebAssembly module: it looks like an empty file/u],
  ["text", new TextEncoder().encode("hello"), "MODULE_NOT_WASM", "usage", /is not a WebAssembly module$/u],
  ["wat", new TextEncoder().encode(" ;; x\n(module)"), "MODULE_NOT_WASM", "usage", /WebAssembly text/u],
  ["gzip", bytes(0x1f, 0x8b, 8), "MODULE_NOT_WASM", "usage", /gzip data/u],
  ["an HTML error page", new TextEncoder().encode("<!DOCTYPE html>"), "MODULE_NOT_WASM", "usage", /HTML page/u],
  [
    "an unknown version",
    bytes(0, 0x61, 0x73, 0x6d, 9, 0, 0, 0),
    "MODULE_NOT_WASM",
    "usage",
    /a version that does not/u,
  ],
  [
    "a component",
    bytes(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0),
    "MODULE_IS_COMPONENT",
    "incompatible",
    /a WebAssembly component/u,
  ],
  ["four bytes", bytes(0, 0x61, 0x73, 0x6d), "MODULE_MALFORMED", "usage", /cut off at byte 4/u],
  ["a truncated module", filterModule().slice(0, -3), "MODULE_MALFORMED", "usage", /cut off at byte/u],
  ["a byte too many", bytes(...filterModule(), 0), "MODULE_MALFORMED", "usage", /cut off at byte/u],
  ["an unknown section", bytes(...filterModule(), 99, 0), "MODULE_MALFORMED", "usage", /no section type 99/u],
  [
    "a wrong body",
    filterModule({ functions: [{ result: "i", body: [0x42, 0] }] }),
    "MODULE_INVALID",
    "usage",
    /is corrupted: /u,
  ],
  [
    "no marker",
    buildModule(without("proxy_abi_version_0_2_1")),
    "MODULE_NO_ABI",
    "incompatible",
    /declares no Proxy-Wasm ABI/u,
  ],
  [
    "an empty module",
    bytes(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    "MODULE_NO_ABI",
    "incompatible",
    /declares no Proxy-Wasm ABI/u,
  ],
  [
    "a future marker",
    filterModule({}, "proxy_abi_version_0_3_0"),
    "MODULE_NO_ABI",
    "incompatible",
    /declares proxy_abi_version_0_3_0/u,
  ],
  [
    "a marker that is a global",
    buildModule({ ...without("proxy_abi_version_0_2_1"), exportedGlobal: "proxy_abi_version_0_2_1" }),
    "MODULE_NO_ABI",
    "incompatible",
    /declares no Proxy-Wasm ABI/u,
  ],
  [
    "no allocator",
    buildModule(without("proxy_on_memory_allocate")),
    "MODULE_NO_ALLOCATOR",
    "incompatible",
    /neither malloc nor/u,
  ],
  ["no memory", filterModule({ memory: false }), "MODULE_NO_MEMORY", "incompatible", /exports no memory/u],
  [
    "a hidden memory",
    filterModule({ memory: { export: false } }),
    "MODULE_NO_MEMORY",
    "incompatible",
    /exports no memory/u,
  ],
  ["2 GiB", filterModule({ memory: { pages: 32_768 } }), "MODULE_MEMORY_TOO_LARGE", "incompatible", /32768 pages/u],
  [
    "an unknown import",
    importing({ name: "nope" }),
    "MODULE_UNKNOWN_IMPORT",
    "incompatible",
    /imports env\.nope, which no proxy offers/u,
  ],
  [
    "proc_raise",
    importing({ module: "wasi_unstable", name: "proc_raise", params: "i", result: "i" }),
    "MODULE_UNKNOWN_IMPORT",
    "incompatible",
    /wasi_unstable\.proc_raise/u,
  ],
  [
    "a global",
    importing({ kind: "global", name: "g" }),
    "MODULE_UNKNOWN_IMPORT",
    "incompatible",
    /imports the global env\.g/u,
  ],
  [
    "an import of ABI 0.1.0",
    importing({ name: "proxy_clear_route_cache", result: "i" }),
    "MODULE_UNKNOWN_IMPORT",
    "incompatible",
    /to ABI v0\.2\.1/u,
  ],
  [
    "a wrong import type",
    importing({ name: "proxy_set_tick_period_milliseconds", params: "ii", result: "i" }),
    "MODULE_IMPORT_TYPE",
    "incompatible",
    /proxy_set_tick_period_milliseconds with a wrong type \(want: i32 i32 -> i32, host offers: i32 -> i32\)/u,
  ],
  [
    "an import without result",
    importing({ name: "proxy_done" }),
    "MODULE_IMPORT_TYPE",
    "incompatible",
    /want: void -> void, host offers: void -> i32/u,
  ],
  [
    "a callback with a result too many",
    filterModule({ functions: [{ export: "proxy_on_foreign_function", params: "iii", result: "i" }] }),
    "MODULE_EXPORT_TYPE",
    "incompatible",
    /proxy_on_foreign_function with a wrong type \(want: i32 i32 i32 -> void, exported: i32 i32 i32 -> i32\)/u,
  ],
  [
    "header callbacks of 0.2 in a 0.1.0 module",
    filterModule(
      { functions: [{ export: "proxy_on_request_headers", params: "iii", result: "i" }] },
      "proxy_abi_version_0_1_0",
    ),
    "MODULE_EXPORT_TYPE",
    "incompatible",
    /proxy_on_request_headers .*want: i32 i32 -> i32/u,
  ],
  [
    "a malloc of another type, although the other allocator is right",
    filterModule({ functions: [{ export: "malloc", params: "l", result: "i" }] }),
    "MODULE_EXPORT_TYPE",
    "incompatible",
    /exports malloc with a wrong type/u,
  ],
  [
    "a wrong main",
    filterModule({ functions: [{ export: "main" }] }),
    "MODULE_EXPORT_TYPE",
    "incompatible",
    /exports main with/u,
  ],
  [
    "a wrong _start",
    buildModule({ functions: [...(without("_initialize").functions ?? []), { export: "_start", result: "i" }] }),
    "MODULE_EXPORT_TYPE",
    "incompatible",
    /exports _start with/u,
  ],
];

/** Modules a proxy loads, unusual ones among them. */
export const SOUND_MODULES: readonly (readonly [string, Uint8Array])[] = [
  ["the least module", filterModule()],
  [
    "0.1.0",
    filterModule(
      { imports: [{ name: "proxy_get_configuration", params: "ii", result: "i" }] },
      "proxy_abi_version_0_1_0",
    ),
  ],
  [
    "a marker after an unknown one",
    buildModule({ functions: [{ export: "proxy_abi_version_9_9_9" }, ...filterFunctions()] }),
  ],
  [
    "a marker with an odd type",
    buildModule({
      functions: [{ export: "proxy_abi_version_0_2_0", params: "d", result: "d" }, ...filterFunctions().slice(1)],
    }),
  ],
  ["both allocators", filterModule({ functions: [{ export: "malloc", params: "i", result: "i" }] })],
  ["a wrong _start beside _initialize", filterModule({ functions: [{ export: "_start", params: "i" }] })],
  ["no entry", buildModule(without("_initialize"))],
  ["a start section", filterModule({ start: 0 })],
  ["a memory of another name", filterModule({ memory: { export: "mem" } })],
  ["1 GiB", filterModule({ memory: { pages: 16_384 } })],
  ["an imported memory", filterModule({ memory: false, imports: [{ kind: "memory", name: "memory" }] })],
  ["an imported table", importing({ kind: "table", name: "t" })],
  ["the same import twice", importing({ name: "proxy_done", result: "i" }, { name: "proxy_done", result: "i" })],
  ["an unknown callback", filterModule({ functions: [{ export: "proxy_on_something", params: "d" }] })],
];

/** Faults that Envoy itself does not see: it loads these and crashes at the first host call. */
export const LOADED_BUT_FATAL: ReadonlySet<string> = new Set(["no memory", "a hidden memory"]);
