import { describe, expect, it, vi } from "vitest";
import { GuestMemory, latin1, latin1Bytes } from "../../../src/host/guest-memory.ts";
import { Status } from "../../../src/host/status.ts";
import { webAssembly, type WasmMemory } from "../../../src/host/webassembly.ts";

interface Growable extends WasmMemory {
  grow(pages: number): number;
}

/** One page; the allocator hands out from 1024 on, and grows the memory first where asked. */
function page(grows = false): { memory: GuestMemory; raw: Growable } {
  const raw = new (webAssembly().Memory)({ initial: 1 }) as Growable;
  const memory = new GuestMemory();
  let next = 1024;
  memory.attach(raw, (length) => {
    if (grows) raw.grow(1);
    const at = next;
    next += length;
    return at;
  });
  return { memory, raw };
}

describe("GuestMemory", () => {
  it("takes pointers as unsigned and refuses what reaches outside", () => {
    const { memory } = page();
    expect(memory.view(65_536, 0)).toHaveLength(0);
    expect(memory.view(65_537, 0)).toBeUndefined();
    expect(memory.view(65_535, 1)).toHaveLength(1);
    expect(memory.view(65_535, 2)).toBeUndefined();
    expect(memory.view(-1, 1)).toBeUndefined();
    expect(memory.view(8, -1)).toBeUndefined();
    expect(memory.writeU32(65_533, 1)).toBe(false);
    expect(memory.writeU64(65_529, 1n)).toBe(false);
  });

  it("sees nothing before an instance has given its memory", () => {
    const memory = new GuestMemory();
    expect(memory.latin1(0, 1)).toBeUndefined();
    expect(memory.give(new Uint8Array(1), 0, 4)).toBe(Status.invalidMemoryAccess);
  });

  it("keeps up with a memory that grew", () => {
    const { memory, raw } = page();
    expect(memory.writeU32(0, 7)).toBe(true);
    raw.grow(1);
    expect(memory.readU32(0)).toBe(7);
    raw.grow(1);
    expect(memory.view(0, 0)).toHaveLength(0);
    expect(memory.latin1(3 * 65_536 - 1, 1)).toBe("\0");
    expect(memory.view(3 * 65_536, 1)).toBeUndefined();
  });

  it("gives data after an allocation that grew the memory", () => {
    const { memory } = page(true);
    expect(memory.give(Uint8Array.of(1, 2, 3), 0, 4)).toBe(Status.ok);
    expect(memory.readU32(0)).toBe(1024);
    expect(memory.readU32(4)).toBe(3);
    expect([...(memory.view(1024, 3) ?? [])]).toEqual([1, 2, 3]);
  });

  it("answers empty data with zeros and a bad place for the answer with a status", () => {
    const { memory } = page();
    memory.writeU32(0, 99);
    memory.writeU32(4, 99);
    expect(memory.giveLatin1("", 0, 4)).toBe(Status.ok);
    expect([memory.readU32(0), memory.readU32(4)]).toEqual([0, 0]);
    expect(memory.giveLatin1("x", 65_534, 4)).toBe(Status.invalidMemoryAccess);
    expect(memory.giveLatin1("x", 0, -4)).toBe(Status.invalidMemoryAccess);
  });

  it("says so when the guest has no memory to give, or lies about where it is", () => {
    for (const pointer of [0, 65_535, -8]) {
      const memory = new GuestMemory();
      memory.attach(new (webAssembly().Memory)({ initial: 1 }), () => pointer);
      expect(memory.give(Uint8Array.of(1, 2), 0, 4)).toBe(Status.invalidMemoryAccess);
      expect(memory.giveLatin1("ab", 0, 4)).toBe(Status.invalidMemoryAccess);
      expect(memory.allocate(2)).toBeUndefined();
    }
  });

  it("reads and writes every byte as one character, short and long", () => {
    const { memory } = page();
    const all = Array.from({ length: 256 }, (_unused, code) => String.fromCharCode(code)).join("");
    for (const text of [all, all.slice(128, 140), "a", all.repeat(40)]) {
      expect(memory.giveLatin1(text, 0, 4)).toBe(Status.ok);
      const pointer = memory.readU32(0) ?? 0;
      expect(memory.latin1(pointer, text.length)).toBe(text);
      expect(latin1(memory.view(pointer, text.length) ?? new Uint8Array())).toBe(text);
    }
    expect(latin1(latin1Bytes(all))).toBe(all);
  });

  it("does the same without Node's Buffer, as in a browser", () => {
    const all = Array.from({ length: 256 }, (_unused, code) => String.fromCharCode(code)).join("");
    vi.stubGlobal("Buffer", undefined);
    const { memory } = page();
    vi.unstubAllGlobals();
    for (const text of [all, all.repeat(40)]) {
      expect(memory.giveLatin1(text, 0, 4)).toBe(Status.ok);
      expect(memory.latin1(memory.readU32(0) ?? 0, text.length)).toBe(text);
      expect(memory.name(memory.readU32(0) ?? 0, text.length)).toBe(
        text.replaceAll(/[A-Z]/gu, (letter) => letter.toLowerCase()),
      );
    }
  });

  it("lowers the ASCII letters of names only, and tells equal hashes apart", () => {
    const { memory } = page();
    const name = (text: string): string | undefined => {
      memory.write(0, latin1Bytes(text));
      return memory.name(0, text.length);
    };
    expect(name("X-Forwarded-FOR")).toBe("x-forwarded-for");
    expect(name("\u00c3\u0084@[")).toBe("\u00c3\u0084@[");
    expect(name(`${"X-Long".repeat(20)}\u00c4`)).toBe(`${"x-long".repeat(20)}\u00c4`);
    memory.write(0, latin1Bytes("ABC"));
    expect(memory.latin1(0, 3)).toBe("ABC");
    // Not every byte of long strings counts for their place: these two share one.
    const both = ["a1cdefghijklmnop", "a2cdefghijklmnop"];
    const value = (text: string): string | undefined => {
      memory.write(0, latin1Bytes(text));
      return memory.latin1(0, text.length);
    };
    expect([...both, ...both].map(value)).toEqual([...both, ...both]);
    expect([...both, ...both].map(name)).toEqual([...both, ...both]);
  });

  it("writes 64 bits of any sign", () => {
    const { memory } = page();
    memory.writeU64(0, -2n);
    expect([memory.readU32(0), memory.readU32(4)]).toEqual([0xffff_fffe, 0xffff_ffff]);
    memory.writeU64(0, 0x0102_0304_0506_0708n);
    expect([memory.readU32(0), memory.readU32(4)]).toEqual([0x0506_0708, 0x0102_0304]);
  });
});
