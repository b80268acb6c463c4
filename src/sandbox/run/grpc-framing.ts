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
  #pieces: Uint8Array[] = [];
  #size = 0;
  /** Bytes without which there is no further message: putting pieces together each time would cost their square. */
  #needed = PREFIX;

  /** True when nothing of a message is left over. */
  get empty(): boolean {
    return this.#size === 0;
  }

  /** The messages that are whole now; `undefined` when a frame is compressed, which nobody asked for, or too large. */
  read(bytes: Uint8Array): readonly Uint8Array[] | undefined {
    this.#pieces.push(bytes);
    this.#size += bytes.length;
    if (this.#size < this.#needed) return [];
    let held = Buffer.concat(this.#pieces);
    const messages: Uint8Array[] = [];
    this.#needed = PREFIX;
    while (held.length >= PREFIX) {
      const length = held.readUInt32BE(1);
      if (held[0] !== 0 || length > MOST_MESSAGE) return undefined;
      this.#needed = PREFIX + length;
      if (held.length < this.#needed) break;
      messages.push(Uint8Array.prototype.slice.call(held, PREFIX, this.#needed));
      held = held.subarray(this.#needed);
      this.#needed = PREFIX;
    }
    this.#pieces = [held];
    this.#size = held.length;
    return messages;
  }
}

/** Bytes before each message. */
const PREFIX = 5;
