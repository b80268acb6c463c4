import { Agent, type AgentOptions } from "node:http";
import { Socket, type NetConnectOpts } from "node:net";

/** Takes what a connection reads; false asks for a pause, ended by `resume()`. */
export type ReadSink = (piece: Uint8Array) => boolean;

/** Smallest and largest piece of memory one read may fill. Bytes. */
const SMALLEST = 64 * 1024;
const LARGEST = 1024 * 1024;

/**
 * An agent for plain http whose connections take up to 1 MiB from the system in one read, where Node's own take 64 KiB.
 * What is read is never written over.
 */
export function largeReadAgent(options: AgentOptions): Agent {
  const agent = new Agent(options);
  agent.createConnection = (connection) => new LargeReadSocket(connection as NetConnectOpts);
  return agent;
}

/** A connection with large reads, which can leave out the parser of `node:http`. */
export class LargeReadSocket extends Socket {
  #sink: ReadSink;

  /** Connects at once. */
  constructor(options: NetConnectOpts) {
    const memory = new ReadMemory();
    const callback = (count: number): boolean => this.#sink(memory.read(count));
    const settings: NetConnectOpts = { ...options, onread: { buffer: () => memory.next(), callback } };
    super(settings);
    // Socket option `onread` replaces the stream; the parser listens to `data`, so it is told by that.
    this.#sink = (piece) => this.emit("data", piece);
    this.connect(options);
  }

  /** From the next read on everything goes to `sink`, and nothing to the parser any more: this cannot be undone. */
  divert(sink: ReadSink): void {
    this.#sink = sink;
  }
}

/** Memory for one read after the other; the next piece is larger when the reads filled the last one fast. */
class ReadMemory {
  #piece: Buffer = Buffer.allocUnsafeSlow(SMALLEST);
  #used = 0;
  #largest = 0;

  /** What the last read got. */
  read(count: number): Buffer {
    const got = this.#piece.subarray(this.#used, this.#used + count);
    this.#used += count;
    this.#largest = Math.max(this.#largest, count);
    return got;
  }

  /** Where the next read goes: the rest of this piece, or a new one when little is left. */
  next(): Buffer {
    if (this.#piece.byteLength - this.#used < SMALLEST / 2) {
      const wanted = this.#largest >= SMALLEST / 2 ? this.#piece.byteLength * 4 : SMALLEST;
      this.#piece = Buffer.allocUnsafeSlow(Math.min(wanted, LARGEST));
      this.#used = 0;
      this.#largest = 0;
    }
    return this.#piece.subarray(this.#used);
  }
}
