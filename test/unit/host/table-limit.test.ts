import { expect, test } from "vitest";
import { loadModule } from "../../../src/host/load-module.ts";

/** A module with these tables and nothing else but what a filter needs. */
function moduleWith(...tables: readonly (readonly number[])[]): Uint8Array {
  const text = (name: string): number[] => [name.length, ...new TextEncoder().encode(name)];
  const section = (id: number, body: readonly number[]): number[] => [id, body.length, ...body];
  const exported = [3, ...text("memory"), 2, 0, ...text("proxy_abi_version_0_2_1"), 0, 0, ...text("malloc"), 0, 1];
  const sections = [
    ...section(1, [2, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f]),
    ...section(3, [2, 0, 1]),
    ...section(4, [tables.length, ...tables.flat()]),
    ...section(5, [1, 0, 1]),
    ...section(7, exported),
    ...section(10, [2, 2, 0, 0x0b, 4, 0, 0x41, 0, 0x0b]),
  ];
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections);
}

const ENDLESS = [0x70, 0, 1];
const SMALL = [0x70, 1, 1, 100];
/** 10,000,000 elements from the start, of other references. */
const FULL = [0x6f, 0, 0x80, 0xad, 0xe2, 0x04];
/** 4,294,967,295 elements. */
const HUGE = [0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];

test("tables as compilers make them are taken", () => {
  for (const tables of [[ENDLESS], [ENDLESS, ENDLESS, ENDLESS], [SMALL, SMALL, SMALL, ENDLESS, FULL]]) {
    expect(loadModule(moduleWith(...tables)).abi).toBe("0.2.1");
  }
});

test.each([
  ["that can grow beyond the heap together", [ENDLESS, ENDLESS, ENDLESS, SMALL]],
  ["that fill the heap from the start", [FULL, FULL, FULL, FULL]],
  ["larger than engines have", [HUGE]],
])("tables %s are refused: the process would end with its thread", (_name, tables) => {
  expect(() => loadModule(moduleWith(...tables))).toThrow(
    /^the module may fill tables with \d+ elements, and 30000000/u,
  );
});
