import type { IncomingMessage } from "node:http";
import { LargeReadSocket } from "./http-large-reads.ts";

/** A body of at least this many bytes is worth a connection of its own. */
const LARGE = 1024 * 1024;
/** The connection is not read from while so much waits for the reader. Bytes. */
const AHEAD = 1024 * 1024;

/**
 * The body of a large answer straight from its connection, which is closed afterwards: the parser of `node:http` would
 * copy every byte once more. `undefined` unless it is a body of known length over a connection that can do it; to be
 * asked while the event `response` is handled.
 */
export function divertBody(incoming: IncomingMessage, method: string): AsyncIterable<Uint8Array> | undefined {
  const { socket, statusCode, headers } = incoming;
  if (!(socket instanceof LargeReadSocket) || method !== "GET") return undefined;
  if (statusCode !== 200 && statusCode !== 206) return undefined;
  const length = headers["content-length"];
  if (length === undefined || headers["transfer-encoding"] !== undefined || Number(length) < LARGE) return undefined;
  return new DirectBody(incoming, socket).pieces(Number(length));
}

class DirectBody {
  readonly #incoming: IncomingMessage;
  readonly #socket: LargeReadSocket;
  readonly #waiting: Uint8Array[] = [];
  #size = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(incoming: IncomingMessage, socket: LargeReadSocket) {
    this.#incoming = incoming;
    this.#socket = socket;
    incoming.on("error", (error) => this.#fail(error));
    incoming.once("close", () => this.#fail(new Error("the connection was closed")));
    socket.divert((piece) => this.#take(piece));
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

  #parsed(): Uint8Array | undefined {
    return (this.#incoming.read() as Buffer | null) ?? undefined;
  }

  #take(piece: Uint8Array): boolean {
    this.#waiting.push(piece);
    this.#size += piece.byteLength;
    this.#wake?.();
    return this.#size < AHEAD;
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

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}
