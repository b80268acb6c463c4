import { Agent, type AgentOptions } from "node:http";
import { Socket, type NetConnectOpts } from "node:net";
import { ReadMemory } from "./read-memory.ts";

/** Takes what a connection reads; false asks for a pause, ended by `resume()`. */
export type ReadSink = (piece: Uint8Array) => boolean;

/**
 * An agent for plain http whose connections take up to 1 MiB from the system in one read, where Node's own take 64 KiB.
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
