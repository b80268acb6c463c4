import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { giveBack, ReadMemory } from "../../../src/platform/read-memory.ts";

/** Fills what a read gets, as the system would. */
function readInto(
  memory: ReadMemory,
  count = Number.POSITIVE_INFINITY,
): { readonly piece: Buffer; readonly copy: Buffer } {
  const room = memory.next();
  const bytes = randomBytes(Math.min(count, room.byteLength));
  room.set(bytes);
  return { piece: memory.read(bytes.byteLength), copy: bytes };
}

describe("memory for reads", () => {
  it("grows to 1 MiB when reads fill it, and starts small again when they do not", () => {
    const memory = new ReadMemory();
    const sizes = Array.from({ length: 5 }, () => readInto(memory).piece.byteLength);
    expect(sizes).toEqual([65_536, 262_144, 1_048_576, 1_048_576, 1_048_576]);
    const small = Array.from({ length: 200 }, () => readInto(memory, 10_000).piece.buffer.byteLength);
    expect(small.at(-1)).toBe(65_536);
  });

  it("leaves what was not given back as it is", () => {
    const memory = new ReadMemory();
    const reads = Array.from({ length: 20 }, () => readInto(memory));
    expect(reads.every(({ piece, copy }) => piece.equals(copy))).toBe(true);
    expect(new Set(reads.map(({ piece }) => piece.buffer)).size).toBe(20);
  });

  it("is used again when all of it was given back, and not before", () => {
    const memory = new ReadMemory();
    for (let i = 0; i < 3; i += 1) readInto(memory);
    const half = readInto(memory, 500_000);
    const rest = readInto(memory);
    const next = readInto(memory);
    expect(rest.piece.buffer).toBe(half.piece.buffer);
    giveBack(half.piece);
    expect(readInto(memory).piece.buffer).not.toBe(half.piece.buffer);
    expect(rest.piece.equals(rest.copy)).toBe(true);
    giveBack(rest.piece);
    expect(readInto(memory).piece.buffer).toBe(half.piece.buffer);
    expect(next.piece.equals(next.copy)).toBe(true);
  });

  it("is not used again for a part of a piece, nor while it is read into", () => {
    const memory = new ReadMemory();
    for (let i = 0; i < 3; i += 1) readInto(memory);
    const current = readInto(memory, 900_000);
    giveBack(current.piece.subarray(1));
    const rest = readInto(memory);
    expect(rest.piece.buffer).toBe(current.piece.buffer);
    giveBack(rest.piece);
    expect(readInto(memory).piece.buffer).not.toBe(current.piece.buffer);
    giveBack(Buffer.from("memory of somebody else"));
  });
});
