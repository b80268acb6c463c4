import { describe, expect, it } from "vitest";
import { BinaryReader, MalformedModule } from "../../../src/wasm/binary-reader.ts";
import { parseModule } from "../../../src/wasm/parse-module.ts";
import { readTypes } from "../../../src/wasm/types.ts";
import { leb, section, text } from "../../support/wasm-builder.ts";

const reader = (...bytes: number[]): BinaryReader => new BinaryReader(Uint8Array.from(bytes));
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

describe("numbers and names", () => {
  it("reads 32 bits and no more", () => {
    expect(reader(0xff, 0xff, 0xff, 0xff, 0x0f).u32()).toBe(0xffff_ffff);
    expect(reader(0x80, 0x00).u32()).toBe(0);
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x1f).u32()).toThrow(/too long/u);
    expect(() => reader(0x80, 0x80, 0x80, 0x80, 0x80, 0).u32()).toThrow(/too long/u);
    expect(() => reader(0x80).u32()).toThrow(/too early/u);
  });

  it("refuses names that are not UTF-8, too long, or cut off", () => {
    expect(reader(...text("größe")).name()).toBe("größe");
    expect(reader(3, 0xef, 0xbb, 0xbf).name()).toBe("\ufeff");
    expect(() => reader(2, 0xff, 0xfe).name()).toThrow(/UTF-8/u);
    expect(() => reader(...leb(100_001)).name()).toThrow(/too long/u);
    expect(() => reader(5, 0x61).name()).toThrow(/too early/u);
  });

  it("does not believe a count that cannot fit", () => {
    expect(() => reader(...leb(0x7fff_ffff), 1).count("imports")).toThrow(/2147483647 imports do not fit/u);
  });

  it("stays inside its range", () => {
    const part = new BinaryReader(Uint8Array.of(1, 2, 3), 0, 1);
    part.byte();
    expect(() => part.byte()).toThrow(MalformedModule);
  });
});

describe("types of newer proposals", () => {
  it("keep their place in the index space", () => {
    const struct = [0x5f, 1, 0x7f, 0x01];
    const array = [0x50, 1, 0, 0x5e, 0x63, 0x6e, 0x00];
    const func = [0x60, 2, 0x7b, 0x64, 0x70, 0];
    const types = readTypes(reader(2, 0x4e, 2, ...struct, ...array, ...func));
    expect(types).toEqual([undefined, undefined, { params: ["v128", "ref"], results: [] }]);
  });
});

describe("hostile modules", () => {
  it.each([
    ["a type index out of range", [...section(1, [1, 0x60, 0, 0]), ...section(2, [1, 0, 0, 0, 7])]],
    ["an export of a missing function", section(7, [1, ...text("x"), 0, 3])],
    ["an export of no kind", section(7, [1, ...text("x"), 9, 0])],
    ["an import of no kind", section(2, [1, 0, 0, 9])],
    ["a form of type that does not exist", section(1, [1, 0x11])],
    ["a billion types", section(1, [...leb(1_000_000_000)])],
    ["a section longer than the file", [1, ...leb(1_000_000), 1]],
    ["a custom section whose name does not fit", [0, 2, 9, 9]],
  ])("%s", (_title, bytes) => {
    expect(() => parseModule(Uint8Array.from([...HEADER, ...bytes]))).toThrow(MalformedModule);
  });

  it("ten thousand and one sections", () => {
    const many = Array.from({ length: 10_001 }, () => [0, 2, 1, 0x61]).flat();
    expect(() => parseModule(Uint8Array.from([...HEADER, ...many]))).toThrow(/too many sections/u);
  });
});
