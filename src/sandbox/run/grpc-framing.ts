/** Messages larger than this end a call; what gRPC itself allows by default. Bytes. */
const MOST_MESSAGE = 4 * 1024 * 1024;

/** One message with its five bytes of framing (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function frameMessage(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** Takes messages out of a stream of frames. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  /** True when nothing of a message is left over. */
  get empty(): boolean {
    return this.#held.length === 0;
  }

  /** The messages that are whole now; `undefined` when a frame is compressed, which nobody asked for, or too large. */
  read(bytes: Uint8Array): readonly Uint8Array[] | undefined {
    this.#held = Buffer.concat([this.#held, bytes]);
    const messages: Uint8Array[] = [];
    while (this.#held.length >= 5) {
      const length = this.#held.readUInt32BE(1);
      if (this.#held[0] !== 0 || length > MOST_MESSAGE) return undefined;
      if (this.#held.length < 5 + length) break;
      messages.push(Uint8Array.prototype.slice.call(this.#held, 5, 5 + length));
      this.#held = this.#held.subarray(5 + length);
    }
    return messages;
  }
}
