import { expect, test } from "vitest";
import { FrameReader, frameMessage } from "../../../../src/sandbox/run/grpc-framing.ts";

test("takes messages out of frames however they are cut", () => {
  const messages = [new Uint8Array(0), Uint8Array.of(1, 2, 3), new Uint8Array(70_000).fill(7)];
  const wire = Buffer.concat(messages.map((message) => frameMessage(message)));
  for (const size of [1, 2, 5, 7, 4096, wire.length]) {
    const reader = new FrameReader();
    const got: Uint8Array[] = [];
    for (let at = 0; at < wire.length; at += size) got.push(...(reader.read(wire.subarray(at, at + size)) ?? []));
    expect(
      got.map((message) => Buffer.from(message).equals(Buffer.from(messages[got.indexOf(message)] ?? []))),
    ).toEqual([true, true, true]);
    expect(reader.empty).toBe(true);
  }
});

test("a message in many small pieces is put together once", () => {
  const reader = new FrameReader();
  const piece = new Uint8Array(64).fill(1);
  const count = 64 * 1024;
  const head = frameMessage(new Uint8Array(count * piece.length)).subarray(0, 5);
  expect(reader.read(head)).toEqual([]);
  // 4 MiB in pieces of 64 bytes: 128 GiB of copies when each piece is joined to those before it.
  for (let at = 1; at < count; at += 1) expect(reader.read(piece)?.length).toBe(0);
  expect(reader.empty).toBe(false);
  const [message] = reader.read(piece) ?? [];
  expect(message?.length).toBe(count * piece.length);
});

test("refuses what is compressed or too large before it has come", () => {
  expect(new FrameReader().read(Uint8Array.of(1, 0, 0, 0, 1))).toBeUndefined();
  expect(new FrameReader().read(Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff))).toBeUndefined();
});
