import { describe, expect, it } from "vitest";
import { interruptible } from "../../../src/host/interruptible.ts";
import { limitMemory } from "../../../src/wasm/limit-memory.ts";
import { webAssembly } from "../../../src/host/webassembly.ts";
import { parseModule } from "../../../src/wasm/parse-module.ts";
import { slowPlaces } from "../../../src/wasm/slow-instructions.ts";
import { buildModule, type FunctionSpec } from "../../support/wasm-builder.ts";

const change = (bytes: Uint8Array): Uint8Array => interruptible(parseModule(bytes));

// local.get 0 · memory.grow
const GROW = [0x20, 0x00, 0x40, 0x00];
/** Grows page by page until it may not, and says how many there are. */
const GROW_ALL = [0x03, 0x40, 0x41, 0x01, 0x40, 0x00, 0x41, 0x7f, 0x47, 0x0d, 0x00, 0x0b, 0x3f, 0x00];

function offsets(body: readonly number[]): readonly number[] | undefined {
  const bytes = Uint8Array.from([0x00, ...body]);
  return slowPlaces(bytes, { start: 0, end: bytes.length });
}

describe("slowPlaces", () => {
  it("finds what is in a loop, at any depth, and nothing beside it", () => {
    expect(offsets([...GROW, 0x1a, 0x0b])).toEqual([]);
    expect(offsets([0x03, 0x40, ...GROW, 0x1a, 0x0b, ...GROW, 0x1a, 0x0b])).toEqual([5]);
    expect(offsets([0x03, 0x40, 0x02, 0x40, ...GROW, 0x1a, 0x0b, 0x0b, 0x0b])).toEqual([7]);
    expect(offsets([0x02, 0x40, 0x03, 0x40, 0x0b, ...GROW, 0x1a, 0x0b, 0x0b])).toEqual([]);
  });

  it.each([
    ["memory.init", [0xfc, 8, 0, 0], true],
    ["data.drop", [0xfc, 9, 0], false],
    ["memory.copy", [0xfc, 10, 0, 0], true],
    ["memory.fill", [0xfc, 11, 0], true],
    ["table.grow", [0xfc, 15, 0], true],
    ["table.size", [0xfc, 16, 0], false],
    ["table.fill", [0xfc, 17, 0], true],
    ["i32.trunc_sat_f32_s", [0xfc, 0], false],
    ["memory.copy, written longer than it needs", [0xfc, 0x8a, 0x80, 0x00, 0, 0], true],
    ["memory.fill, likewise", [0xfc, 0x8b, 0x00, 0x80, 0x00], true],
    ["data.drop, likewise", [0xfc, 0x89, 0x00, 10], false],
    ["array.new_default", [0xfb, 7, 0], true],
    ["array.copy", [0xfb, 17, 0, 0], true],
    ["array.len", [0xfb, 15], false],
    ["br_on_cast", [0xfb, 24, 3, 0, 0x6b, 0x6a], false],
  ])("%s: %j", (_name, code, isSlow) => {
    expect(offsets([0x03, 0x40, ...code, 0x0b, 0x0b])).toEqual(isSlow ? [3] : []);
  });

  it.each([
    ["a number with the bytes of memory.grow", [0x41, 0xc0, 0x00]],
    ["64 bits", [0x42, 0xc0, 0x80, 0x00]],
    ["a float", [0x43, 0x40, 0x00, 0x40, 0x00]],
    ["a double", [0x44, 0x40, 0, 0x40, 0, 0x40, 0, 0x40, 0]],
    ["an empty block", [0x02, 0x40, 0x00, 0x0b]],
    ["a table of branches", [0x0e, 2, 0x40, 0x00, 0x01]],
    ["an indirect call", [0x11, 0x40, 0x00]],
    ["an offset", [0x28, 0x02, 0xc0, 0x00]],
    ["an offset in another memory", [0x28, 0x42, 0x01, 0x43]],
    ["an alignment longer than it needs", [0x28, 0x82, 0x00, 0x43]],
    ["a block whose type takes two bytes", [0x02, 0xff, 0x43, 0x0b]],
    ["a vector", [0xfd, 12, ...Array<number>(8).fill(0x40), ...Array<number>(8).fill(0)]],
    ["a lane of a vector", [0xfd, 21, 0x40]],
    ["an atomic", [0xfe, 0x10, 0x02, 0x40]],
    ["a typed select", [0x1c, 1, 0x7f]],
    ["a select of references", [0x1c, 1, 0x63, 0x40]],
    ["a block of references", [0x02, 0x64, 0x40, 0x0b]],
    ["a try of old, with a handler", [0x06, 0x40, 0x07, 0x40, 0x19, 0x0b]],
    ["a try of old, delegated", [0x06, 0x40, 0x18, 0x40]],
    ["a table of exceptions", [0x1f, 0x40, 2, 0, 0x40, 0, 2, 0x40, 0x0b]],
    ["a branch on null", [0xd5, 0x40]],
  ])("does not take %s for one", (_name, code) => {
    expect(offsets([0x03, 0x40, ...code, ...GROW, 0x0b, 0x0b])).toEqual([3 + code.length + 2]);
  });

  it("finds those that follow many others outside of loops, too", () => {
    const fills = Array.from({ length: 11 }, () => [0xfc, 11, 0]).flat();
    expect(offsets([...fills, 0x0b])).toEqual([1 + 24, 1 + 27, 1 + 30]);
  });

  it("gives up at what it does not know, and at what ends too early", () => {
    expect(offsets([0x03, 0x40, 0xfb, 31, ...GROW, 0x0b, 0x0b])).toBeUndefined();
    expect(offsets([0x03, 0x40, 0x27, ...GROW, 0x0b, 0x0b])).toBeUndefined();
    expect(offsets([0x18, 0, 0x0b])).toBeUndefined();
    expect(offsets([0x03, 0x40, ...GROW])).toBeUndefined();
    expect(offsets([0x41])).toBeUndefined();
  });
});

describe("interruptible", () => {
  it("leaves modules as they are that hold no such loop", () => {
    const bytes = buildModule({ functions: [{ export: "grow", params: "i", result: "i", body: GROW }] });
    expect(change(bytes)).toBe(bytes);
    expect(change(buildModule({}))).toHaveLength(buildModule({}).length);
  });

  it("sees memory.grow whose memory is written longer than it needs", () => {
    const body = GROW_ALL.flatMap((byte, at) => (at === 5 ? [0x80, 0x00] : [byte]));
    const bytes = buildModule({ functions: [{ export: "all", result: "i", body }], memory: { pages: 3 } });
    expect(change(bytes).length).toBeGreaterThan(bytes.length);
  });

  it("keeps what functions do, and their indexes", () => {
    const functions: FunctionSpec[] = [
      { export: "one", result: "i" },
      { export: "all", result: "i", body: GROW_ALL },
      // call 2 · call 1: the functions of before
      { export: "both", result: "i", body: [0x10, 0x02, 0x10, 0x01, 0x6a] },
    ];
    const bytes = buildModule({ imports: [{ name: "host" }], functions, memory: { pages: 3 } });
    const { instance } = instantiate(limited(change(bytes)));
    expect(instance["both"]?.()).toBe(8);
    expect(instance["one"]?.()).toBe(1);
    expect(change(bytes).length).toBeGreaterThan(bytes.length);
  });

  it("leaves it to the engine to refuse what is not valid", () => {
    // memory.grow in a loop, without its operand
    const bytes = buildModule({ functions: [{ export: "bad", body: [0x03, 0x40, 0x40, 0x00, 0x1a, 0x0b] }] });
    for (const module of [bytes, change(bytes)]) {
      expect(() => new (webAssembly().Module)(module)).toThrow(/not enough arguments/u);
    }
  });
});

/** At most seven pages. */
function limited(bytes: Uint8Array): Uint8Array {
  return limitMemory(bytes, 7);
}

function instantiate(bytes: Uint8Array): { readonly instance: Readonly<Record<string, (() => number) | undefined>> } {
  const { Module, Instance } = webAssembly();
  const { exports } = new Instance(new Module(bytes), { env: { host: () => undefined } });
  return { instance: exports as Record<string, () => number> };
}
