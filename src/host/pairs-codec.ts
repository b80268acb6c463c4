import { latin1 } from "./guest-memory.ts";

/**
 * Headers as guests and hosts exchange them: u32 count; per pair u32 length of the name, u32 length of the value; then
 * name, NUL, value, NUL for each; little-endian. Pairs are held flat here, `[name, value, name, value]`.
 */
export interface DecodedPairs {
  readonly flat: string[];
  /** Why nothing was read: Envoy takes such bytes for an empty map without a word. */
  readonly problem: string | undefined;
}

/** Bytes and pairs that Envoy reads at most. */
const MAX_BYTES = 1024 * 1024;
const MAX_PAIRS = 1024;

/** Bytes of the encoded pairs. */
export function pairsSize(flat: readonly string[]): number {
  let size = 4;
  for (const text of flat) size += 5 + text.length;
  return size;
}

/** Writes the pairs to the start of `target`, which must have room for {@link pairsSize}. */
export function writePairs(flat: readonly string[], target: Uint8Array): void {
  writeU32(target, 0, flat.length / 2);
  let at = 4;
  for (const text of flat) {
    writeU32(target, at, text.length);
    at += 4;
  }
  for (const text of flat) {
    const { length } = text;
    for (let index = 0; index < length; index += 1) target[at + index] = text.charCodeAt(index);
    target[at + length] = 0;
    at += length + 1;
  }
}

/** The pairs as bytes of their own. */
export function encodePairs(flat: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(pairsSize(flat));
  writePairs(flat, bytes);
  return bytes;
}

/** Reads pairs as Envoy does: whatever is malformed is no pairs at all. No bytes are no pairs, and no problem. */
export function decodePairs(bytes: Uint8Array): DecodedPairs {
  if (bytes.length === 0) return { flat: [], problem: undefined };
  if (bytes.length > MAX_BYTES) return refused(`they have ${bytes.length} bytes, and at most ${MAX_BYTES} are read`);
  if (bytes.length < 4) return refused("they end within the count");
  const count = readU32(bytes, 0);
  if (count > MAX_PAIRS) return refused(`there are ${count}, and at most ${MAX_PAIRS} are read`);
  let at = 4 + count * 8;
  if (at > bytes.length) return refused("they end within the lengths");
  const flat: string[] = [];
  for (let index = 0; index < count * 2; index += 1) {
    const end = at + readU32(bytes, 4 + index * 4);
    if (end >= bytes.length) return refused("they end within the text");
    if (bytes[end] !== 0) return refused("a name or value is not followed by a NUL");
    flat.push(latin1(bytes.subarray(at, end)));
    at = end + 1;
  }
  if (at !== bytes.length) return refused(`${bytes.length - at} bytes follow the last pair`);
  return { flat, problem: undefined };
}

function refused(problem: string): DecodedPairs {
  return { flat: [], problem };
}

function readU32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
