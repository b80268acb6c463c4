/** Text of one character a byte. */
export function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** Bytes of text of one character a byte. */
export function latin1Bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
