import { assertNever } from "../../domain/errors.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import { InputWriter } from "./input-wire.ts";
import {
  type CalloutMessage,
  type CommandOutput,
  type CoreInput,
  type CoreOutput,
  FromCore,
  type GrpcOpenMessage,
  isServiceOutput,
  type OutputBatch,
  type PieceOutput,
  type ServiceOutput,
  type StreamEnd,
  type ToCore,
} from "./messages.ts";
import { readOutput } from "./output-wire.ts";
import { Slots } from "./slots.ts";
import type { WireBatch } from "./wire-batch.ts";

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

/** Turns and messages that are gathered at most. */
const MOST_TURNS = 5;
const MOST_MESSAGES = 256;

/** More bytes on their way to the worker make the sockets wait. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * The sockets' end of the line to a core: gathers what one turn of the event loop brings, and hands out what comes back.
 * Knows no thread: `post` may lead to one, or to a core beside it.
 */
export class CoreLink {
  readonly #post: (batch: WireBatch, transfer: ArrayBuffer[]) => void;
  readonly #services: CoreServices;
  readonly #streams = new Slots<StreamCommands>();
  readonly #waiting = new Set<() => void>();
  readonly #writer = new InputWriter();
  #messages = 0;
  #turns = 0;
  #held: PieceOutput | undefined;
  #sent = 0;
  #taken = 0;

  constructor(post: (batch: WireBatch, transfer: ArrayBuffer[]) => void, services: CoreServices) {
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

  /** Adds a message to those that are to be posted. */
  send(message: CoreInput): void {
    this.#writer.add(message);
    this.#messages += 1;
    if (this.#messages === 1) setImmediate(this.#turn, 0);
  }

  /** Adds a piece of a body; false asks to wait for `whenRoom`. */
  sendPiece(kind: T["requestData"] | T["responseData"], id: number, bytes: Uint8Array, end: boolean): boolean {
    this.#sent += bytes.length;
    this.send([kind, id, bytes, end]);
    return this.#sent - this.#taken <= MOST_BYTES;
  }

  /** Calls back, once, when the worker has caught up. */
  whenRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  /** Hands out what the core posted. */
  receive(batch: OutputBatch): void {
    readOutput(batch.wire, this.#receiveOne);
    this.#release();
    this.#taken = batch.taken;
    if (this.#waiting.size === 0 || this.#sent - this.#taken > MOST_BYTES / 2) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }

  /**
   * Ends a turn of the event loop. While turns bring more, it waits: waking the other thread costs more than a turn, and under
   * load another turn costs nobody time.
   */
  readonly #turn = (before: number): void => {
    const messages = this.#messages;
    this.#turns += 1;
    if (messages > before && messages < MOST_MESSAGES && this.#turns < MOST_TURNS) {
      setImmediate(this.#turn, messages);
      return;
    }
    this.#messages = 0;
    this.#turns = 0;
    const { batch, transfer } = this.#writer.take();
    this.#post(batch, transfer);
  };

  /** A piece waits for the next message: where that is the end of the body, which comes alone, both go out in one. */
  readonly #receiveOne = (message: CoreOutput): void => {
    const held = this.#held;
    const isPiece = message[0] === FromCore.requestData || message[0] === FromCore.responseData;
    if (held !== undefined) {
      this.#held = undefined;
      const ends = isPiece && message[3] && message[2].length === 0;
      if (ends && message[0] === held[0] && message[1] === held[1]) return this.#piece(held, true);
      this.#piece(held, held[3]);
    }
    if (isPiece && !message[3]) this.#held = message;
    else this.#one(message);
  };

  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#piece(held, held[3]);
  }

  #piece([kind, id, bytes]: PieceOutput, end: boolean): void {
    this.#streams.get(id)?.piece(kind === FromCore.requestData ? "upstream" : "client", bytes, end);
  }

  #one(message: CoreOutput): void {
    if (isServiceOutput(message)) return this.#service(message);
    if (message[0] === FromCore.requestData || message[0] === FromCore.responseData) {
      return this.#piece(message, message[3]);
    }
    const stream = this.#streams.get(message[1]);
    if (message[0] !== FromCore.ended) stream?.command(message);
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
