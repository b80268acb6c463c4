import { latin1, latin1Bytes } from "./guest-memory.ts";

/** A string of bytes that holds UTF-8 as the text a person wrote; what is no UTF-8 becomes U+FFFD. */
export function textOf(byteText: string): string {
  return isAscii(byteText) ? byteText : new TextDecoder().decode(latin1Bytes(byteText));
}

/** Text as a string of its UTF-8 bytes. */
export function utf8ByteString(text: string): string {
  return isAscii(text) ? text : latin1(new TextEncoder().encode(text));
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
