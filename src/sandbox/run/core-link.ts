import { assertNever } from "../../domain/errors.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import {
  type CalloutMessage,
  type CoreBatch,
  type CoreInput,
  type CoreOutput,
  FromCore,
  type GrpcOpenMessage,
  isServiceOutput,
  type ServiceOutput,
  type StreamEnd,
  type StreamOutput,
} from "./messages.ts";
import { ownBytes } from "./own-bytes.ts";

/** What the exchange of one stream wants done; told to whoever has its sockets. */
export interface StreamCommands {
  command(message: StreamOutput): void;
  /** The exchange is over. */
  ended(end: StreamEnd): void;
  /** There will be no word of the exchange any more: its thread is gone. */
  abandon(why: string): void;
}

/** What filters want beside their streams. */
export interface CoreServices {
  callout(id: number, call: CalloutMessage): void;
  cancelCallout(id: number): void;
  grpcOpen(id: number, call: GrpcOpenMessage): void;
  grpcSend(id: number, message: Uint8Array, endStream: boolean): void;
  grpcClose(id: number): void;
  grpcCancel(id: number): void;
  log(entry: LogEntry): void;
  report(report: HostReport): void;
}

/** More bytes on their way to the worker make the sockets wait. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * The sockets' end of the line to a core: gathers what one turn of the event loop brings, and hands out what comes back.
 * Knows no thread: `post` may lead to one, or to a core beside it.
 */
export class CoreLink {
  readonly #post: (batch: readonly CoreInput[], transfer: ArrayBuffer[]) => void;
  readonly #services: CoreServices;
  readonly #streams = new Map<number, StreamCommands>();
  readonly #waiting = new Set<() => void>();
  #batch: CoreInput[] = [];
  #transfer: ArrayBuffer[] = [];
  #scheduled = false;
  #lastStream = 0;
  #sent = 0;
  #taken = 0;

  constructor(post: (batch: readonly CoreInput[], transfer: ArrayBuffer[]) => void, services: CoreServices) {
    this.#post = post;
    this.#services = services;
  }

  /** Streams that are open. */
  get streams(): ReadonlyMap<number, StreamCommands> {
    return this.#streams;
  }

  /** Gives a new stream its number. */
  open(stream: StreamCommands): number {
    this.#lastStream += 1;
    this.#streams.set(this.#lastStream, stream);
    return this.#lastStream;
  }

  /** Adds a message to those of this turn. */
  send(message: CoreInput): void {
    this.#batch.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Adds a piece of a body; false asks to wait for `whenRoom`. */
  sendBytes(bytes: Uint8Array, messageOf: (own: Uint8Array) => CoreInput): boolean {
    const own = ownBytes(bytes);
    if (own.length > 0) this.#transfer.push(own.buffer as ArrayBuffer);
    this.#sent += own.length;
    this.send(messageOf(own));
    return this.#sent - this.#taken <= MOST_BYTES;
  }

  /** Calls back, once, when the worker has caught up. */
  whenRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  /** Hands out what the core posted. */
  receive(batch: CoreBatch): void {
    for (const message of batch.messages) this.#one(message);
    this.#taken = batch.taken;
    if (this.#waiting.size === 0 || this.#sent - this.#taken > MOST_BYTES / 2) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }

  #flush(): void {
    const [batch, transfer] = [this.#batch, this.#transfer];
    this.#batch = [];
    this.#transfer = [];
    this.#scheduled = false;
    this.#post(batch, transfer);
  }

  #one(message: CoreOutput): void {
    if (isServiceOutput(message)) return this.#service(message);
    const stream = this.#streams.get(message[1]);
    if (message[0] !== FromCore.ended) return stream?.command(message);
    this.#streams.delete(message[1]);
    stream?.ended(message[2]);
  }

  #service(message: ServiceOutput): void {
    const services = this.#services;
    switch (message[0]) {
      case FromCore.log:
        return services.log(message[2]);
      case FromCore.report:
        return services.report(message[2]);
      case FromCore.callout:
        return services.callout(message[1], message[2]);
      case FromCore.cancelCallout:
        return services.cancelCallout(message[1]);
      case FromCore.grpcOpen:
        return services.grpcOpen(message[1], message[2]);
      case FromCore.grpcSend:
        return services.grpcSend(message[1], message[2], message[3]);
      case FromCore.grpcClose:
        return services.grpcClose(message[1]);
      case FromCore.grpcCancel:
        return services.grpcCancel(message[1]);
      default:
        return assertNever(message);
    }
  }
}
