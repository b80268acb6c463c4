/**
 * Header lists as the host reads and writes them: a count, then two sizes per pair, then name and value of each pair
 * with a NUL behind both. All numbers are 4 bytes, little-endian. Names and values are UTF-8.
 */

/** `[["name", "value"], …]` as bytes; an empty list is no bytes at all. */
export function encodePairs(pairs: string[][]): ArrayBuffer {
  const count = pairs.length;
  if (count == 0) return new ArrayBuffer(0);
  let total = 4 + count * 8;
  for (let i = 0; i < count; i++) {
    const pair = pairs[i];
    total += String.UTF8.byteLength(pair[0]) + String.UTF8.byteLength(pair[1]) + 2;
  }
  const bytes = new ArrayBuffer(total);
  const start = changetype<usize>(bytes);
  store<u32>(start, count);
  let sizes = start + 4;
  let data = sizes + count * 8;
  for (let i = 0; i < count; i++) {
    const pair = pairs[i];
    const nameSize = put(pair[0], data);
    data += nameSize + 1;
    const valueSize = put(pair[1], data);
    data += valueSize + 1;
    store<u32>(sizes, <u32>nameSize);
    store<u32>(sizes, <u32>valueSize, 4);
    sizes += 8;
  }
  return bytes;
}

/** Fresh memory is zero, so the NUL behind the text is there already. */
function put(text: string, address: usize): usize {
  return String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, address);
}

/** The bytes of a header list as `[["name", "value"], …]`. */
export function decodePairs(bytes: ArrayBuffer): string[][] {
  const pairs: string[][] = [];
  if (bytes.byteLength < 4) return pairs;
  const start = changetype<usize>(bytes);
  const count = load<u32>(start);
  let sizes = start + 4;
  let data = sizes + count * 8;
  for (let i: u32 = 0; i < count; i++) {
    const nameSize = load<u32>(sizes);
    const valueSize = load<u32>(sizes, 4);
    sizes += 8;
    const name = String.UTF8.decodeUnsafe(data, nameSize);
    data += nameSize + 1;
    const value = String.UTF8.decodeUnsafe(data, valueSize);
    data += valueSize + 1;
    pairs.push([name, value]);
  }
  return pairs;
}
