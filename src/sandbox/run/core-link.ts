import { assertNever } from "../../domain/errors.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import {
  type CalloutMessage,
  type CommandOutput,
  type CoreInput,
  type CoreOutput,
  FromCore,
  type GrpcOpenMessage,
  type InputBatch,
  isServiceOutput,
  type OutputBatch,
  type ServiceOutput,
  type StreamEnd,
  type ToCore,
} from "./messages.ts";
import { PieceReader, PieceWriter } from "./pieces.ts";
import { Slots } from "./slots.ts";

/** What the exchange of one stream wants done; told to whoever has its sockets. */
export interface StreamCommands {
  command(message: CommandOutput): void;
  /** A piece of a body for the upstream or for the client. */
  piece(to: "upstream" | "client", bytes: Uint8Array, end: boolean): void;
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

type T = typeof ToCore;

/** More bytes on their way to the worker make the sockets wait. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * The sockets' end of the line to a core: gathers what one turn of the event loop brings, and hands out what comes back.
 * Knows no thread: `post` may lead to one, or to a core beside it.
 */
export class CoreLink {
  readonly #post: (batch: InputBatch, transfer: ArrayBuffer[]) => void;
  readonly #services: CoreServices;
  readonly #streams = new Slots<StreamCommands>();
  readonly #waiting = new Set<() => void>();
  #batch: CoreInput[] = [];
  readonly #pieces = new PieceWriter();
  #scheduled = false;
  #sent = 0;
  #taken = 0;

  constructor(post: (batch: InputBatch, transfer: ArrayBuffer[]) => void, services: CoreServices) {
    this.#post = post;
    this.#services = services;
  }

  /** Streams that are open. */
  get streams(): readonly StreamCommands[] {
    return this.#streams.all();
  }

  /** How many streams are open. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Gives a new stream its number; the one of a stream that ended may be given again. */
  open(stream: StreamCommands): number {
    return this.#streams.take(stream);
  }

  /** Adds a message to those of this turn. */
  send(message: CoreInput): void {
    this.#batch.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Adds a piece of a body; false asks to wait for `whenRoom`. */
  sendPiece(kind: T["requestData"] | T["responseData"], id: number, bytes: Uint8Array, end: boolean): boolean {
    this.#sent += bytes.length;
    this.send([kind, id, this.#pieces.add(bytes), end]);
    return this.#sent - this.#taken <= MOST_BYTES;
  }

  /** Calls back, once, when the worker has caught up. */
  whenRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  /** Hands out what the core posted. */
  receive(batch: OutputBatch): void {
    const pieces = new PieceReader(batch.shared);
    for (const message of batch.messages) this.#one(message, pieces);
    this.#taken = batch.taken;
    if (this.#waiting.size === 0 || this.#sent - this.#taken > MOST_BYTES / 2) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }

  #flush(): void {
    const messages = this.#batch;
    const { shared, transfer } = this.#pieces.take();
    this.#batch = [];
    this.#scheduled = false;
    this.#post({ messages, shared }, transfer);
  }

  #one(message: CoreOutput, pieces: PieceReader): void {
    if (isServiceOutput(message)) return this.#service(message);
    const stream = this.#streams.get(message[1]);
    if (message[0] === FromCore.requestData) stream?.piece("upstream", pieces.read(message[2]), message[3]);
    else if (message[0] === FromCore.responseData) stream?.piece("client", pieces.read(message[2]), message[3]);
    else if (message[0] !== FromCore.ended) stream?.command(message);
    else {
      this.#streams.free(message[1]);
      stream?.ended(message[2]);
    }
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
