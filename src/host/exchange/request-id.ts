/** A `x-request-id`: UUID version 4 from random bytes. */
export function requestId(random: ((target: Uint8Array) => void) | undefined): string {
  const bytes = new Uint8Array(16);
  random?.(bytes);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  let id = "";
  for (let at = 0; at < bytes.length; at += 1) {
    if (at === 4 || at === 6 || at === 8 || at === 10) id += "-";
    id += HEX[bytes[at] ?? 0] ?? "";
  }
  return id;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
