import { describe, expect, it } from "vitest";
import { ABI_VERSIONS } from "../../../src/domain/abi-version.ts";
import { hostImport, PROXY_IMPORTS, WASI_IMPORTS } from "../../../src/wasm/host-imports.ts";
import { formatType } from "../../../src/wasm/types.ts";

describe("the table of host functions", () => {
  it("has 43, 41 and 42 functions in env, by ABI, and 45 of WASI", () => {
    const counts = ABI_VERSIONS.map((abi) => PROXY_IMPORTS.filter((item) => item.abis.includes(abi)).length);
    expect(counts).toEqual([43, 41, 42]);
    expect(WASI_IMPORTS).toHaveLength(45);
  });

  it("names every function once", () => {
    const names = [...PROXY_IMPORTS, ...WASI_IMPORTS].map((item) => item.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("knows types, both WASI modules, and nothing else", () => {
    expect(formatType(hostImport("env", "proxy_record_metric")?.type ?? { params: [], results: [] })).toBe(
      "i32 i64 -> i32",
    );
    expect(hostImport("wasi_unstable", "proc_exit")?.type).toEqual({ params: ["i32"], results: [] });
    expect(hostImport("wasi_snapshot_preview1", "proc_exit")).toBe(hostImport("wasi_unstable", "proc_exit"));
    expect(hostImport("wasi_unstable", "proxy_log")).toBeUndefined();
    expect(hostImport("envoy", "proxy_log")).toBeUndefined();
  });
});
