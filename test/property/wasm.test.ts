import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkModule } from "../../src/wasm/check-module.ts";
import { hostImport, PROXY_IMPORTS } from "../../src/wasm/host-imports.ts";
import { filterModule, leb } from "../support/wasm-builder.ts";
import { BinaryReader } from "../../src/wasm/binary-reader.ts";

const SEED = filterModule({
  imports: [{ name: "proxy_log", params: "iii", result: "i" }],
  functions: [{ export: "proxy_on_request_headers", params: "iii", result: "i" }],
  custom: [{ name: "x", bytes: Uint8Array.of(1, 2, 3) }],
});

/** Id, size, name and content: what is left without it is a whole module. */
const CUSTOM_LENGTH = 7;

describe("checkModule on any bytes", () => {
  it("never throws, and always gives a reason for a refusal", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (tail, magic) => {
        const bytes = magic ? Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...tail]) : tail;
        const report = checkModule(bytes);
        expect(report.ok).toBe(report.problems.length === 0);
      }),
      { numRuns: 2000 },
    );
  });

  it("never throws on a sound module with bytes changed, and never passes what the engine refuses", () => {
    const engine = (globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } }).WebAssembly;
    const change = fc.tuple(fc.nat(SEED.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = SEED.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const report = checkModule(bytes);
        const newer = report.warnings.some((item) => item.code === "MODULE_NEWER_WASM");
        const loads = !report.ok || newer || engine.validate(bytes);
        expect(loads).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses every module cut short", () => {
    const lengths = Array.from({ length: SEED.length }, (_, length) => length);
    const whole = lengths.filter((length) => checkModule(SEED.subarray(0, length)).ok);
    expect(whole).toEqual([SEED.length - CUSTOM_LENGTH]);
  });
});

describe("imports", () => {
  it("pass exactly when name and type are the host's", () => {
    const entry = fc.constantFrom(...PROXY_IMPORTS.filter((item) => item.abis.includes("0.2.1")));
    const letters = fc.array(fc.constantFrom("i", "l"), { maxLength: 12 }).map((list) => list.join(""));
    fc.assert(
      fc.property(entry, letters, fc.constantFrom("", "i"), (host, params, result) => {
        const report = checkModule(filterModule({ imports: [{ name: host.name, params, result }] }));
        const spelt = Array.from(params, (letter) => (letter === "l" ? "i64" : "i32")).join();
        const same = hostImport("env", host.name)?.type.params.join() === spelt;
        expect(report.ok).toBe(same && host.type.results.length === result.length);
      }),
    );
  });
});

describe("LEB128", () => {
  it("reads back every u32", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (value) => {
        expect(new BinaryReader(Uint8Array.from(leb(value))).u32()).toBe(value);
      }),
    );
  });
});
