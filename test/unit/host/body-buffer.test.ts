import { array, assert, constantFrom, nat, oneof, property, record, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { BodyBuffer } from "../../../src/host/body-buffer.ts";

describe("a body buffer", () => {
  test("takes pieces without copying them, and hands out a single one as it is", () => {
    const piece = Uint8Array.of(1, 2, 3);
    const buffer = new BodyBuffer(piece);
    expect(buffer.pieces).toEqual([piece]);
    expect(buffer.take()).toBe(piece);
    expect(buffer.length).toBe(0);
    expect(buffer.take()).toEqual(new Uint8Array(0));
  });

  test("leaves empty pieces out", () => {
    const buffer = new BodyBuffer(new Uint8Array(0));
    buffer.append(new Uint8Array(0));
    buffer.prepend(new Uint8Array(0));
    expect(buffer.pieces).toEqual([]);
  });

  test("moved into itself stays as it is", () => {
    const buffer = new BodyBuffer(Uint8Array.of(1));
    buffer.moveFrom(buffer);
    expect([...buffer.bytes()]).toEqual([1]);
  });

  test("does not write to the pieces it was given", () => {
    const piece = Uint8Array.of(1, 2, 3);
    const buffer = new BodyBuffer(piece);
    buffer.drain(2);
    buffer.prepend(Uint8Array.of(9));
    expect([...buffer.bytes()]).toEqual([9, 3]);
    expect([...piece]).toEqual([1, 2, 3]);
  });

  test("any sequence of changes does what a plain list of bytes would", () => {
    const step = record({
      what: constantFrom("append", "prepend", "drain", "move", "take"),
      bytes: uint8Array({ maxLength: 5 }),
      count: oneof(nat(12), constantFrom(4_294_967_295)),
      from: nat(20),
      room: nat(20),
    });
    assert(
      property(array(step), (steps) => {
        const buffer = new BodyBuffer();
        let plain: number[] = [];
        for (const { what, bytes, count, from, room } of steps) {
          if (what === "append") buffer.append(bytes);
          if (what === "prepend") buffer.prepend(bytes);
          if (what === "drain") buffer.drain(count);
          if (what === "move") move(bytes, buffer);
          const taken = what === "take" ? [...buffer.take()] : plain;
          expect(taken).toEqual(plain);
          plain = changed(plain, { what, bytes, count });
          expect(buffer.length).toBe(plain.length);
          expect([...buffer.bytes()]).toEqual(plain);
          expect(buffer.pieces.every((piece) => piece.length > 0)).toBe(true);
          const target = new Uint8Array(room);
          const written = buffer.copyTo(target, from);
          expect([...target.subarray(0, written)]).toEqual(plain.slice(from, from + room));
        }
      }),
    );
  });
});

function move(bytes: Uint8Array, buffer: BodyBuffer): void {
  const other = new BodyBuffer(bytes);
  buffer.moveFrom(other);
  expect(other.length).toBe(0);
}

function changed(
  plain: number[],
  { what, bytes, count }: { what: string; bytes: Uint8Array; count: number },
): number[] {
  if (what === "append" || what === "move") return [...plain, ...bytes];
  if (what === "prepend") return [...bytes, ...plain];
  return what === "drain" ? plain.slice(count) : [];
}
