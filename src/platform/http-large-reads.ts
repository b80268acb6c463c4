import type { Agent } from "node:http";
import type { OnReadOpts, Socket } from "node:net";
import { ReadMemory } from "./read-memory.ts";

/** Takes what a connection reads; false asks for a pause, ended by the socket's `resume()`. */
type ReadSink = (piece: Uint8Array) => boolean;

/** How the connections of an agent read. */
const READS = Symbol("large reads");

/**
 * Lets the connections that an agent makes take up to 1 MiB from the system in one read, where Node's own take 64 KiB, and
 * leave out the parser of `node:http` when they are told to.
 */
export function readInLargePieces<A extends Agent>(agent: A): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const reads = new LargeReads();
    const socket = connect({ ...options, onread: reads.onread } as typeof options, callback);
    return Object.assign(socket as Socket, { [READS]: reads.into(socket as Socket) });
  };
  return agent;
}

/**
 * From the next read on everything goes to `sink`, and nothing to the parser any more: this cannot be undone. False for
 * a connection that cannot do it.
 */
export function divertReads(socket: Socket, sink: ReadSink): boolean {
  const reads = (socket as { [READS]?: LargeReads })[READS];
  reads?.divert(sink);
  return reads !== undefined;
}

/** Socket option `onread` replaces the stream; the parser listens to the event `data`, so it is told by that. */
class LargeReads {
  readonly onread: OnReadOpts;
  #sink: ReadSink = () => true;

  constructor() {
    const memory = new ReadMemory();
    this.onread = { buffer: () => memory.next(), callback: (count) => this.#sink(memory.read(count)) };
  }

  into(socket: Socket): this {
    this.#sink = (piece) => {
      socket.emit("data", piece);
      return true;
    };
    return this;
  }

  divert(sink: ReadSink): void {
    this.#sink = sink;
  }
}
