import { assertNever } from "../../domain/errors.ts";
import {
  type CalloutInput,
  type Connection,
  type CoreInput,
  isCalloutInput,
  type RequestInput,
  type StreamInput,
  ToCore,
  type UpstreamFault,
} from "./messages.ts";
import { BatchReader, BatchWriter, type WireBatch } from "./wire-batch.ts";

/** Writes messages for an {@link InputReader}, which must read every batch, in order. */
export class InputWriter {
  readonly #to = new BatchWriter();
  readonly #connections: Connection[] = [];

  add(message: CoreInput): void {
    const to = this.#to;
    to.number(message[0]);
    if (isCalloutInput(message)) return to.whole(message);
    to.number(message[1]);
    if (message[0] === ToCore.request) this.#request(message);
    else this.#rest(message);
  }

  /** What was added since the last time. */
  take(): ReturnType<BatchWriter["takeBatch"]> {
    return this.#to.takeBatch();
  }

  #request([, , headers, end, from, protocol]: RequestInput): void {
    const to = this.#to;
    to.headers(headers);
    to.flag(end);
    to.text(protocol);
    to.number(from.id);
    const place = from.id % CONNECTIONS;
    const known = this.#connections[place] === from;
    to.flag(known);
    if (known) return;
    this.#connections[place] = from;
    to.whole(from);
  }

  #rest(message: StreamInput): void {
    const to = this.#to;
    switch (message[0]) {
      case ToCore.requestData:
      case ToCore.responseData:
        to.piece(message[2]);
        return to.flag(message[3]);
      case ToCore.response:
        to.headers(message[2]);
        return to.flag(message[3]);
      case ToCore.requestTrailers:
      case ToCore.responseTrailers:
        return to.headers(message[2]);
      case ToCore.upstreamReset:
        return to.text(message[2]);
      case ToCore.clientGone:
        return undefined;
      default:
        return assertNever(message);
    }
  }
}

/** Reads what an {@link InputWriter} wrote. */
export class InputReader {
  readonly #connections: Connection[] = [];

  /** Tells each message of a batch. */
  read(batch: WireBatch, each: (message: CoreInput) => void): void {
    const from = new BatchReader(batch);
    while (!from.done) each(this.#one(from));
  }

  #one(from: BatchReader): CoreInput {
    const number = from.number();
    if (number >= ToCore.calloutAnswer) return from.whole() as CalloutInput;
    const kind = number as (RequestInput | StreamInput)[0];
    const id = from.number();
    switch (kind) {
      case ToCore.request:
        return [kind, id, from.headers(), from.flag(), ...this.#source(from)];
      case ToCore.requestData:
      case ToCore.responseData:
        return [kind, id, from.piece(), from.flag()];
      case ToCore.response:
        return [kind, id, from.headers(), from.flag()];
      case ToCore.requestTrailers:
      case ToCore.responseTrailers:
        return [kind, id, from.headers()];
      case ToCore.upstreamReset:
        return [kind, id, from.text() as UpstreamFault];
      case ToCore.clientGone:
        return [kind, id];
      default:
        return assertNever(kind);
    }
  }

  #source(from: BatchReader): [Connection, string] {
    const protocol = from.text();
    const place = from.number() % CONNECTIONS;
    if (!from.flag()) this.#connections[place] = from.whole() as Connection;
    return [this.#connections[place] ?? UNKNOWN, protocol];
  }
}

/**
 * A connection is described once, as long as no other one has its place: both ends forget it at the same moment, however
 * many there are.
 */
const CONNECTIONS = 1024;

const NOWHERE = { address: "", port: 0 };
const UNKNOWN: Connection = { id: 0, source: NOWHERE, destination: NOWHERE };
