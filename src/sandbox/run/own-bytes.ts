/** The bytes in a buffer of their own, which can be handed to another thread: as they are, or copied out of a larger one. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.prototype.slice.call(bytes);
}
