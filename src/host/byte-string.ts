/** The bytes of a string of bytes (one character is one byte, as in header maps). Higher characters lose their high bits. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Bytes as a string of bytes. */
export function byteString(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += BLOCK) text += String.fromCharCode(...bytes.subarray(at, at + BLOCK));
  return text;
}

/** A string of bytes that holds UTF-8 as the text a person wrote; what is no UTF-8 becomes U+FFFD. */
export function textOf(byteText: string): string {
  return isAscii(byteText) ? byteText : new TextDecoder().decode(bytesOf(byteText));
}

/** Text as a string of its UTF-8 bytes. */
export function utf8ByteString(text: string): string {
  return isAscii(text) ? text : byteString(new TextEncoder().encode(text));
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** Arguments one call of a function may safely have. */
const BLOCK = 4096;
