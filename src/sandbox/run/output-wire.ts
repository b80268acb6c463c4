import { assertNever } from "../../domain/errors.ts";
import {
  type CommandOutput,
  type CoreOutput,
  FromCore,
  isServiceOutput,
  type ServiceOutput,
  type StreamEnd,
} from "./messages.ts";
import { BatchReader, BatchWriter, type WireBatch } from "./wire-batch.ts";

/** Writes messages for {@link readOutput}. */
export class OutputWriter {
  readonly #to = new BatchWriter();
  #empty = true;

  /** Whether nothing was added since the last time. */
  get empty(): boolean {
    return this.#empty;
  }

  add(message: CoreOutput): void {
    this.#empty = false;
    const to = this.#to;
    to.number(message[0]);
    if (isServiceOutput(message)) return to.whole(message);
    to.number(message[1]);
    if (message[0] === FromCore.requestData || message[0] === FromCore.responseData) {
      to.piece(message[2]);
      to.flag(message[3]);
    } else if (message[0] === FromCore.ended) this.#end(message[2]);
    else this.#command(message);
  }

  /** What was added since the last time. */
  take(): ReturnType<BatchWriter["takeBatch"]> {
    this.#empty = true;
    return this.#to.takeBatch();
  }

  #command(message: CommandOutput): void {
    const to = this.#to;
    switch (message[0]) {
      case FromCore.request:
      case FromCore.response:
        to.headers(message[2]);
        return to.flag(message[3]);
      case FromCore.requestTrailers:
      case FromCore.responseTrailers:
        return to.headers(message[2]);
      case FromCore.clientReset:
        return to.text(message[2]);
      case FromCore.pauseUpstream:
      case FromCore.pauseClient:
        return to.flag(message[2]);
      case FromCore.upstreamReset:
        return undefined;
      default:
        return assertNever(message);
    }
  }

  #end({ code, details, flags, pausedIn }: StreamEnd): void {
    const to = this.#to;
    to.number(code ?? 0);
    to.text(details ?? "");
    to.number(flags);
    to.list(pausedIn ?? NOWHERE);
  }
}

const NOWHERE: readonly string[] = [];

/** Tells each message of a batch of an {@link OutputWriter}. */
export function readOutput(batch: WireBatch, each: (message: CoreOutput) => void): void {
  const from = new BatchReader(batch);
  while (!from.done) each(one(from));
}

function one(from: BatchReader): CoreOutput {
  const number = from.number();
  if (number > FromCore.ended) return from.whole() as ServiceOutput;
  const kind = number as Exclude<CoreOutput, ServiceOutput>[0];
  const id = from.number();
  if (kind === FromCore.ended) return [kind, id, end(from)];
  if (kind === FromCore.requestData || kind === FromCore.responseData) return [kind, id, from.piece(), from.flag()];
  return command(from, kind, id);
}

function command(from: BatchReader, kind: CommandOutput[0], id: number): CommandOutput {
  switch (kind) {
    case FromCore.request:
    case FromCore.response:
      return [kind, id, from.headers(), from.flag()];
    case FromCore.requestTrailers:
    case FromCore.responseTrailers:
      return [kind, id, from.headers()];
    case FromCore.clientReset:
      return [kind, id, from.text()];
    case FromCore.pauseUpstream:
    case FromCore.pauseClient:
      return [kind, id, from.flag()];
    case FromCore.upstreamReset:
      return [kind, id];
    default:
      return assertNever(kind);
  }
}

function end(from: BatchReader): StreamEnd {
  const code = from.number();
  const details = from.text();
  const flags = from.number();
  const pausedIn = from.list();
  return {
    code: code === 0 ? undefined : code,
    details: details === "" ? undefined : details,
    flags,
    pausedIn: pausedIn.length === 0 ? undefined : pausedIn,
  };
}
