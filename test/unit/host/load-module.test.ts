import { describe, expect, it } from "vitest";
import { Host } from "../../../src/host/host.ts";
import { loadModule, loadModuleAsync, type LoadOptions } from "../../../src/host/load-module.ts";
import { ModuleRefused } from "../../../src/host/module-refused.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { buildModule, filterFunctions, filterModule, leb, type ModuleSpec } from "../../support/wasm-builder.ts";
import { recordingEnvironment } from "./support/recording.ts";

function refusal(bytes: Uint8Array, options?: LoadOptions): ModuleRefused {
  try {
    loadModule(bytes, options);
  } catch (error) {
    if (error instanceof ModuleRefused) return error;
    throw error;
  }
  throw new Error("the module was taken");
}

/** `proxy_on_configure` grows the memory by that many pages and accepts when it worked. */
function growing(pages: number, memory: NonNullable<ModuleSpec["memory"]> = {}): Uint8Array {
  const body = [0x41, pages, 0x40, 0x00, 0x41, 0x7f, 0x47];
  return filterModule({ memory, functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body }] });
}

function start(bytes: Uint8Array, options: LoadOptions = {}): ReturnType<Host["start"]> {
  const host = new Host({ environment: recordingEnvironment(), profile: options.profile });
  return host.start(loadModule(bytes, options), pluginConfig());
}

describe("loadModule", () => {
  it("tells what the module is", () => {
    const module = loadModule(filterModule({ imports: [{ name: "proxy_log", params: "iii", result: "i" }] }));
    expect(module).toMatchObject({
      abi: "0.2.1",
      allocator: "proxy_on_memory_allocate",
      entry: "_initialize",
      main: undefined,
      imports: ["env.proxy_log"],
      unknownImports: [],
      callbacks: [],
      memory: { exported: "memory", imported: undefined, initialPages: 1, maximumPages: 16_384 },
    });
    expect(structuredClone(module)).toMatchObject({ key: module.key, abi: "0.2.1" });
  });

  it("prefers malloc, and calls main only after _initialize", () => {
    const more = [
      { export: "malloc", params: "i", result: "i" },
      { export: "main", params: "ii", result: "i" },
      { export: "_start" },
    ];
    expect(loadModule(filterModule({ functions: more }))).toMatchObject({
      allocator: "malloc",
      entry: "_initialize",
      main: "main",
    });
    const withoutInitialize = filterFunctions().filter((item) => item.export !== "_initialize");
    expect(loadModule(buildModule({ functions: [...withoutInitialize, ...more] }))).toMatchObject({
      entry: "_start",
      main: undefined,
    });
  });

  it.each<[string, Uint8Array]>([
    ["Failed to parse corrupted Wasm module", new TextEncoder().encode("no module at all")],
    ["Failed to parse corrupted Wasm module", filterModule().subarray(0, 40)],
    ["Failed to parse corrupted Wasm module", new Uint8Array()],
    ["Missing or unknown Proxy-Wasm ABI version", buildModule({})],
    ["Missing or unknown Proxy-Wasm ABI version", filterModule({}, "proxy_abi_version_0_3_0")],
    [
      "Failed to load Wasm module due to a missing import: env.proxy_no_such_thing",
      filterModule({ imports: [{ name: "proxy_no_such_thing", params: "i", result: "i" }] }),
    ],
    [
      "Failed to load Wasm module due to a missing import: env.proxy_get_log_level",
      filterModule({ imports: [{ name: "proxy_get_log_level", params: "i", result: "i" }] }, "proxy_abi_version_0_2_0"),
    ],
    [
      "Failed to load Wasm module due to a missing import: env.g",
      filterModule({ imports: [{ kind: "global", name: "g" }] }),
    ],
    [
      "Failed to load Wasm module due to an import type mismatch: env.proxy_set_tick_period_milliseconds, want: i32 i32 -> i32, but host exports: i32 -> i32",
      filterModule({
        imports: ["i", "ii"].map((params) => ({ name: "proxy_set_tick_period_milliseconds", params, result: "i" })),
      }),
    ],
    [
      "Bad function signature for: proxy_on_foreign_function, want: i32 i32 i32 -> void, but the module exports: i32 i32 i32 -> i32",
      filterModule({ functions: [{ export: "proxy_on_foreign_function", params: "iii", result: "i" }] }),
    ],
    [
      "Bad function signature for: proxy_on_request_headers, want: i32 i32 -> i32, but the module exports: i32 i32 i32 -> i32",
      filterModule(
        { functions: [{ export: "proxy_on_request_headers", params: "iii", result: "i" }] },
        "proxy_abi_version_0_1_0",
      ),
    ],
    ["Wasm module is missing malloc function.", buildModule({ functions: [{ export: "proxy_abi_version_0_2_1" }] })],
    [
      "Failed to load Wasm bytecode",
      filterModule({ functions: [{ result: "i", body: [0x00, 0x1a] }, { body: [0x6a] }] }),
    ],
  ])("refuses as Envoy does: %s", async (message, bytes) => {
    const refused = refusal(bytes);
    expect(refused.message).toBe(message);
    expect(refused.problems).not.toEqual([]);
    await expect(loadModuleAsync(bytes)).rejects.toThrow(message);
  });

  it("names the import before the export, and lists all problems", () => {
    const refused = refusal(
      filterModule({
        imports: [{ name: "abort", params: "iiii" }],
        functions: [{ export: "proxy_on_tick", params: "ii" }],
      }),
    );
    expect(refused.message).toContain("missing import: env.abort");
    expect(refused.problems.map(({ code }) => code)).toEqual(["MODULE_UNKNOWN_IMPORT", "MODULE_EXPORT_TYPE"]);
  });

  it("stubs what starts with proxy_ when it is told to, and nothing else", () => {
    const imports = [{ name: "proxy_of_the_future", params: "i", result: "l" }];
    expect(loadModule(filterModule({ imports }), { stubUnknown: true })).toMatchObject({
      imports: [],
      unknownImports: [{ module: "env", name: "proxy_of_the_future", result: "i64" }],
    });
    const abort = filterModule({ imports: [...imports, { name: "abort" }] });
    expect(refusal(abort, { stubUnknown: true }).message).toContain("env.abort");
    const typed = filterModule({ imports: [{ name: "proxy_log", params: "i", result: "i" }] });
    expect(refusal(typed, { stubUnknown: true }).message).toContain("type mismatch: env.proxy_log");
  });

  it("limits the memory in a copy of the bytes", () => {
    expect(start(growing(4)).started).toBe(true);
    const before = growing(4);
    const copy = before.slice();
    expect(start(before, { maxMemoryPages: 5 }).started).toBe(true);
    expect(start(before, { maxMemoryPages: 4 })).toMatchObject({ started: false, reason: "configure" });
    expect(before).toEqual(copy);
    expect(refusal(growing(1, { pages: 3 }), { maxMemoryPages: 2 }).message).toContain("3 pages of memory, and 2");
  });

  it("makes the memory and the table a module imports", () => {
    const functions = [
      ...filterFunctions(),
      { export: "proxy_on_configure", params: "ii", result: "i", body: [0x41, 3, 0x40, 0x00, 0x41, 0x7f, 0x47] },
    ];
    const imports = [
      { kind: "memory" as const, name: "memory" },
      { kind: "table" as const, name: "table" },
    ];
    const bytes = buildModule({ memory: false, imports, functions });
    expect(loadModule(bytes).memory).toMatchObject({
      exported: undefined,
      imported: { module: "env", name: "memory" },
    });
    expect(start(bytes).started).toBe(true);
    expect(start(bytes, { maxMemoryPages: 3 })).toMatchObject({ started: false, reason: "configure" });
  });

  it("holds modules to the limits of a profile", () => {
    const small = filterModule();
    const content = 2 * 1024 * 1024;
    const big = new Uint8Array(small.length + 5 + content);
    big.set(small);
    // A custom section with an empty name, put together by hand: the builder is slow with megabytes.
    big.set([0, ...leb(content)], small.length);
    expect(loadModule(big).size).toBe(big.length);
    expect(refusal(big, { profile: "google" }).message).toContain("the google profile takes at most 2097152");
    expect(loadModule(filterModule(), { profile: "google" }).memory.maximumPages).toBe(256);
  });

  it("gives equal keys to equal modules only", () => {
    const key = (spec: ModuleSpec, options?: LoadOptions): string => loadModule(filterModule(spec), options).key;
    expect(key({})).toBe(key({}));
    expect(key({ memory: { pages: 2 } })).not.toBe(key({}));
    expect(key({}, { maxMemoryPages: 7 })).not.toBe(key({}));
  });
});
