import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { withMemoryLimit } from "../../../src/wasm/limit-memory.ts";
import { HELLO_WASM } from "../../support/modules.ts";

interface Engine {
  readonly Module: {
    new (bytes: Uint8Array): object;
    exports(module: object): object[];
    imports(module: object): object[];
  };
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
}

const { WebAssembly } = globalThis as unknown as { WebAssembly: Engine };

/** Exports a function that grows the memory by 100 pages and tells how large it was, or -1. */
function growing(...limits: readonly number[]): Uint8Array {
  const hex = (text: string): readonly number[] => [...Buffer.from(text.replaceAll(" ", ""), "hex")];
  return Uint8Array.from([
    ...hex("0061736d 01000000 0105 0160 00 01 7f 0302 01 00"),
    5,
    limits.length + 1,
    1,
    ...limits,
    ...hex("0705 01 01 67 00 00 0a09 01 07 00 41 e400 40 00 0b"),
  ]);
}

function grow(module: Uint8Array | undefined): unknown {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(module ?? [])));
  return (exports["g"] as () => number)();
}

it("lets no memory grow beyond the limit, whatever the module declares", () => {
  for (const limits of [
    [0, 2],
    [1, 2, 200, 1],
    [1, 2, 0xff, 0xff, 3],
  ]) {
    expect(grow(growing(...limits))).toBe(2);
    expect(grow(withMemoryLimit(growing(...limits), 101))).toBe(-1);
    expect(grow(withMemoryLimit(growing(...limits), 102))).toBe(2);
  }
  // Its own limit is lower.
  expect(grow(withMemoryLimit(growing(1, 2, 50), 1000))).toBe(-1);
});

it("takes no module that needs more to begin with", () => {
  expect(withMemoryLimit(growing(0, 20), 19)).toBeUndefined();
  expect(grow(withMemoryLimit(growing(0, 20), 20))).toBe(-1);
});

it("keeps all else, and what it cannot read", () => {
  const hello = readFileSync(HELLO_WASM);
  const limited = withMemoryLimit(hello, 2048) ?? hello;
  const describe = (bytes: Uint8Array): unknown => {
    const module = new WebAssembly.Module(new Uint8Array(bytes));
    return [WebAssembly.Module.exports(module), WebAssembly.Module.imports(module)];
  };
  expect(describe(limited)).toEqual(describe(hello));
  const broken = hello.subarray(0, 300);
  expect(withMemoryLimit(broken, 2048)).toBe(broken);
  const empty = Buffer.from("0061736d01000000", "hex");
  expect(withMemoryLimit(empty, 1)).toBe(empty);
});
