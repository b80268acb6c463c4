import { Agent, type AgentOptions } from "node:http";
import { createConnection, type NetConnectOpts, type Socket } from "node:net";

/** Smallest and largest piece of memory one read may fill. Bytes. */
const SMALLEST = 64 * 1024;
const LARGEST = 1024 * 1024;

/**
 * An agent for plain http whose connections take up to 1 MiB from the system in one read, where Node's own take 64 KiB:
 * a large answer costs half the processor time. What is read is never written over.
 */
export function largeReadAgent(options: AgentOptions): Agent {
  const agent = new Agent(options);
  agent.createConnection = (connection) => connect(connection as NetConnectOpts);
  return agent;
}

/** Socket option `onread` replaces the stream; the parser of `node:http` listens to `data`, so it is told by that. */
function connect(options: NetConnectOpts): Socket {
  const memory = new ReadMemory();
  const callback = (count: number, bytes: Uint8Array): boolean => {
    memory.filled(count);
    socket.emit("data", bytes.subarray(0, count));
    return true;
  };
  const socket: Socket = createConnection({ ...options, onread: { buffer: () => memory.next(), callback } });
  return socket;
}

/** Memory for one read after the other; the next piece is as much larger or smaller as the reads of the last one were. */
class ReadMemory {
  #piece: Buffer = Buffer.allocUnsafeSlow(SMALLEST);
  #used = 0;
  #largest = 0;

  filled(count: number): void {
    this.#used += count;
    this.#largest = Math.max(this.#largest, count);
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
