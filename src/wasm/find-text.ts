/** Offset of an ASCII text inside `bytes`, or -1. The first byte is searched natively, so this is fast on real data. */
export function findText(bytes: Uint8Array, text: string, from = 0): number {
  const first = text.charCodeAt(0);
  for (let at = bytes.indexOf(first, from); at !== -1; at = bytes.indexOf(first, at + 1)) {
    if (matchesAt(bytes, text, at)) return at;
  }
  return -1;
}

/** The same for UTF-16 text (little-endian), as AssemblyScript keeps its strings. */
export function findWideText(bytes: Uint8Array, text: string): number {
  return findText(bytes, Array.from(text).join("\0"));
}

/** Up to `length` bytes as text, one character per byte. */
export function latin1(bytes: Uint8Array, from: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(from, from + length));
}

function matchesAt(bytes: Uint8Array, text: string, at: number): boolean {
  for (let i = 1; i < text.length; i += 1) {
    if (bytes[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
