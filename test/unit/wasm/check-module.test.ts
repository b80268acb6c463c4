import { describe, expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import { assertLoadable, checkModule } from "../../../src/wasm/check-module.ts";
import { FAULTY_MODULES, importing, SOUND_MODULES } from "../../support/module-corpus.ts";
import { buildModule, filterFunctions, filterModule } from "../../support/wasm-builder.ts";

describe("checkModule", () => {
  it.each(FAULTY_MODULES)("refuses %s", (_title, module, code, kind, message) => {
    const report = checkModule(module);
    expect(report.ok).toBe(false);
    expect(report.problems[0]).toMatchObject({ code, kind, message: expect.stringMatching(message) });
  });

  it.each(SOUND_MODULES)("accepts %s", (_title, module) => {
    expect(checkModule(module).problems).toEqual([]);
  });

  it("reports what the module is made of", () => {
    const module = filterModule({
      imports: [
        { name: "proxy_log", params: "iii", result: "i" },
        { module: "wasi_snapshot_preview1", name: "fd_write", params: "iiii", result: "i" },
        { name: "proxy_log", params: "iii", result: "i" },
      ],
      functions: [{ export: "proxy_on_log", params: "i" }],
    });
    expect(checkModule(module)).toMatchObject({
      ok: true,
      fileKind: "module",
      size: module.byteLength,
      abi: "0.2.1",
      allocator: "proxy_on_memory_allocate",
      entry: "_initialize",
      memory: { min: 1, max: undefined },
      imports: [
        { module: "env", name: "proxy_log", kind: "function", type: "i32 i32 i32 -> i32" },
        { module: "wasi_snapshot_preview1", name: "fd_write", kind: "function", type: "i32 i32 i32 i32 -> i32" },
      ],
      capabilities: [
        { group: "log", functions: ["proxy_log"] },
        { group: "wasi-output", functions: ["fd_write"] },
      ],
      callbacks: ["proxy_on_log"],
    });
  });

  it("reports every problem, each once", () => {
    const report = checkModule(
      importing({ name: "abort", params: "iiii" }, { name: "abort", params: "iiii" }, { name: "seed", result: "d" }),
    );
    expect(report.problems.map((item) => item.subject)).toEqual(["env.abort", "env.seed"]);
  });

  it("warns of several markers, an imported memory and an imported table", () => {
    const markers = buildModule({ functions: [{ export: "proxy_abi_version_0_1_0" }, ...filterFunctions()] });
    expect(checkModule(markers)).toMatchObject({
      ok: true,
      abi: "0.1.0",
      warnings: [{ code: "MODULE_SEVERAL_MARKERS" }],
    });
    const imports = [
      { kind: "memory", name: "memory" },
      { kind: "table", name: "t" },
    ] as const;
    const codes = checkModule(filterModule({ memory: false, imports })).warnings.map((item) => item.code);
    expect(codes).toEqual(["MODULE_IMPORTED_MEMORY", "MODULE_IMPORTED_TABLE"]);
  });
});

describe("advice on an unknown import", () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["env", "abort", /--use abort=/u],
    ["env", "seed", /--use seed=/u],
    ["env", "console.log", /log function/u],
    ["env", "fd_write", /wasi_snapshot_preview1\.fd_write/u],
    ["env", "proxy_clear_route_cache", /only in ABI v0\.1\.0/u],
    ["env", "proxy_new_thing", /SDK for ABI v0\.2\.1/u],
    ["env", "__cxa_throw", /STANDALONE_WASM/u],
    ["env", "my_missing_function", /linker left/u],
    ["gojs", "runtime.wasmExit", /GOOS=wasip1/u],
    ["__wbindgen_placeholder__", "__wbindgen_throw", /browsers/u],
    ["wasi:cli/stderr@0.2.0", "get-stderr", /wasm32-wasip1/u],
  ];
  it.each(cases)("%s.%s", (module, name, hint) => {
    expect(checkModule(importing({ module, name })).problems[0]?.hint).toMatch(hint);
  });
});

describe("assertLoadable", () => {
  it("lets a sound module pass", () => {
    expect(() => assertLoadable(checkModule(filterModule()), "filter.wasm")).not.toThrow();
  });

  it("throws the first problem, counts the others and lists all", () => {
    const report = checkModule(importing({ name: "abort", params: "iiii" }, { name: "seed", result: "d" }));
    const thrown = catchError(() => assertLoadable(report, "filter.wasm"));
    expect(thrown).toMatchObject({
      kind: "incompatible",
      code: "MODULE_UNKNOWN_IMPORT",
      message: "filter.wasm imports env.abort, which no proxy offers to ABI v0.2.1 (and 1 more problem)",
      hint: expect.stringContaining("--use abort="),
    });
    expect(thrown.details?.["problems"]).toHaveLength(2);
  });
});

function catchError(run: () => void): WasmeError {
  try {
    run();
  } catch (error) {
    if (error instanceof WasmeError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
