import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { divertReads } from "./http-large-reads.ts";

/** A body of at least so many bytes is worth a connection of its own; one with TLS is dearer. */
const LARGE = 1024 * 1024;
const LARGE_OVER_TLS = 8 * LARGE;
/** The connection is not read from while so much waits for the reader. Bytes. */
const AHEAD = 1024 * 1024;

/**
 * The body of a large answer straight from its connection, which is closed afterwards: the parser of `node:http` would
 * copy every byte once more. `undefined` unless it is a body of known length over a connection that can do it; to be
 * asked while the event `response` is handled.
 */
export function divertBody(incoming: IncomingMessage, method: string): AsyncIterable<Uint8Array> | undefined {
  const { socket, statusCode, headers } = incoming;
  if (method !== "GET" || (statusCode !== 200 && statusCode !== 206)) return undefined;
  const length = headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : 0;
  if (length < ("encrypted" in socket ? LARGE_OVER_TLS : LARGE)) return undefined;
  const body = new DirectBody(incoming);
  return divertReads(socket, (piece) => body.take(piece)) ? body.pieces(length) : undefined;
}

class DirectBody {
  readonly #incoming: IncomingMessage;
  readonly #socket: Socket;
  readonly #waiting: Uint8Array[] = [];
  #size = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #waking = false;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
    this.#socket = incoming.socket;
    incoming.on("error", (error) => this.#fail(error));
    incoming.once("close", () => this.#fail(new Error("the connection was closed")));
  }

  /** Exactly `length` bytes, or an error. */
  async *pieces(length: number): AsyncGenerator<Uint8Array> {
    let left = length;
    try {
      // What came together with the head went through the parser.
      for (let first = this.#parsed(); first !== undefined; first = this.#parsed()) {
        yield first;
        left -= first.byteLength;
      }
      while (left > 0) {
        const piece = (await this.#next()).subarray(0, left);
        yield piece;
        left -= piece.byteLength;
      }
    } finally {
      this.#incoming.destroy();
    }
  }

  /** Takes a read; false when enough waits for the reader. Reads side by side in memory become one piece (TLS: 16 KiB). */
  take(read: Uint8Array): boolean {
    const last = this.#waiting.at(-1);
    if (last?.buffer === read.buffer && last.byteOffset + last.byteLength === read.byteOffset) {
      const joined = new Uint8Array(read.buffer, last.byteOffset, last.byteLength + read.byteLength);
      this.#waiting.splice(-1, 1, joined);
    } else this.#waiting.push(read);
    this.#size += read.byteLength;
    // The reader is told when everything that has arrived is read.
    if (!this.#waking) {
      this.#waking = true;
      setImmediate(() => this.#wakeReader());
    }
    return this.#size < AHEAD;
  }

  #parsed(): Uint8Array | undefined {
    return (this.#incoming.read() as Buffer | null) ?? undefined;
  }

  /** What came is given before a failure is thrown. */
  async #next(): Promise<Uint8Array> {
    for (;;) {
      const piece = this.#waiting.shift();
      if (piece !== undefined) {
        this.#size -= piece.byteLength;
        return piece;
      }
      if (this.#failure !== undefined) throw this.#failure;
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #wakeReader(): void {
    this.#waking = false;
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}
