/** Decodes base64 with or without padding; `null` when it is none. */
export function decodeBase64(text: string): Uint8Array | null {
  let length = text.length;
  while (length > 0 && text.charCodeAt(length - 1) == 61) length--;
  if (length % 4 == 1 || text.length - length > 2) return null;
  const bytes = new Uint8Array((length * 3) >> 2);
  let bits: u32 = 0;
  for (let i = 0, at = 0; i < length; i++) {
    const digit = digitOf(text.charCodeAt(i));
    if (digit < 0) return null;
    bits = (bits << 6) | digit;
    // After the second digit of four there are 8 bits or more to take.
    if ((i & 3) != 0) bytes[at++] = <u8>(bits >> (6 - 2 * (i & 3)));
  }
  return bytes;
}

function digitOf(unit: i32): i32 {
  if (unit >= 65 && unit <= 90) return unit - 65;
  if (unit >= 97 && unit <= 122) return unit - 71;
  if (unit >= 48 && unit <= 57) return unit + 4;
  return unit == 43 ? 62 : unit == 47 ? 63 : -1;
}
