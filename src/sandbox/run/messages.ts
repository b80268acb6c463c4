import type { CalloutFailure } from "../../host/callout.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { Address } from "../../host/stream-info.ts";
import type { WireBatch } from "./wire-batch.ts";

/** A client's connection. */
export interface Connection {
  readonly id: number;
  readonly source: Address;
  /** This end. */
  readonly destination: Address;
}

/** Names and values in turn; pseudo headers first. One character is one byte. */
export type FlatHeaders = readonly string[];

/** Why there is no answer of an upstream. */
export type UpstreamFault = "refused" | "reset" | "remote-reset" | "timeout" | "overflow";

/** How a stream ended, for the access log. */
export interface StreamEnd {
  readonly code: number | undefined;
  readonly details: string | undefined;
  /** Envoy's bit set. */
  readonly flags: number;
  /** Callbacks it was still paused in: `request headers`; absent when it was in none. */
  readonly pausedIn: readonly string[] | undefined;
}

/**
 * What sockets tell the exchanges, which live in the worker. Messages of one turn travel together, written as text
 * (`input-wire.ts`): a message alone costs more than everything in it. The first number says what it is, the second which
 * stream or callout.
 */
export const ToCore = {
  request: 0,
  requestData: 1,
  requestTrailers: 2,
  clientGone: 3,
  response: 4,
  responseData: 5,
  responseTrailers: 6,
  upstreamReset: 7,
  calloutAnswer: 8,
  calloutFailed: 9,
  grpcInitial: 10,
  grpcMessage: 11,
  grpcTrailing: 12,
  grpcClosed: 13,
  grpcFailed: 14,
} as const;

type T = typeof ToCore;

/** A stream begins; the last is its protocol, `HTTP/1.1` or `HTTP/2`. */
export type RequestInput = readonly [T["request"], number, FlatHeaders, boolean, Connection, string];

/** The rest of a stream. */
export type StreamInput =
  | readonly [T["requestData"] | T["responseData"], number, Uint8Array, boolean]
  | readonly [T["requestTrailers"] | T["responseTrailers"], number, FlatHeaders]
  | readonly [T["clientGone"], number]
  | readonly [T["response"], number, FlatHeaders, boolean]
  | readonly [T["upstreamReset"], number, UpstreamFault];

/** What comes back for a callout. */
export type CalloutInput =
  | readonly [T["calloutAnswer"], number, FlatHeaders, Uint8Array, FlatHeaders | undefined]
  | readonly [T["calloutFailed"] | T["grpcFailed"], number, CalloutFailure]
  | readonly [T["grpcInitial"] | T["grpcTrailing"], number, FlatHeaders]
  | readonly [T["grpcMessage"], number, Uint8Array]
  | readonly [T["grpcClosed"], number, number, string];

/** One message to the worker. */
export type CoreInput = RequestInput | StreamInput | CalloutInput;

/** Tells the messages for callouts from those for streams. */
export function isCalloutInput(message: CoreInput): message is CalloutInput {
  return message[0] >= ToCore.calloutAnswer;
}

/** What the exchanges tell the sockets. */
export const FromCore = {
  request: 0,
  requestData: 1,
  requestTrailers: 2,
  upstreamReset: 3,
  pauseUpstream: 4,
  response: 5,
  responseData: 6,
  responseTrailers: 7,
  clientReset: 8,
  pauseClient: 9,
  ended: 10,
  callout: 11,
  cancelCallout: 12,
  grpcOpen: 13,
  grpcSend: 14,
  grpcClose: 15,
  grpcCancel: 16,
  log: 17,
  report: 18,
} as const;

type F = typeof FromCore;

/** A request of the filter's own. */
export interface CalloutMessage {
  readonly cluster: string;
  readonly headers: FlatHeaders;
  readonly body: Uint8Array;
  readonly trailers: FlatHeaders | undefined;
  /** Milliseconds; 0 is none. */
  readonly timeoutMs: number;
}

/** A gRPC call or stream of the filter's own. */
export interface GrpcOpenMessage {
  readonly cluster: string;
  readonly service: string;
  readonly method: string;
  /** All headers of the request. */
  readonly headers: FlatHeaders;
  readonly unary: { readonly message: Uint8Array; readonly timeoutMs: number } | undefined;
}

/** What is to be done with a stream's sockets, but for the pieces of bodies. */
export type CommandOutput =
  | readonly [F["request"] | F["response"], number, FlatHeaders, boolean]
  | readonly [F["requestTrailers"] | F["responseTrailers"], number, FlatHeaders]
  | readonly [F["upstreamReset"], number]
  | readonly [F["clientReset"], number, string]
  | readonly [F["pauseUpstream"] | F["pauseClient"], number, boolean];

/** A piece of a body. */
export type PieceOutput =
  | readonly [F["requestData"], number, Uint8Array, boolean]
  | readonly [F["responseData"], number, Uint8Array, boolean];

/** A stream is over. */
export type EndedOutput = readonly [F["ended"], number, StreamEnd];

/** What filters want and say beside their streams. */
export type ServiceOutput =
  | readonly [F["callout"], number, CalloutMessage]
  | readonly [F["grpcOpen"], number, GrpcOpenMessage]
  | readonly [F["grpcSend"], number, Uint8Array, boolean]
  | readonly [F["cancelCallout"] | F["grpcClose"] | F["grpcCancel"], number]
  | readonly [F["log"], number, LogEntry]
  | readonly [F["report"], number, HostReport];

/** One message from the worker. */
export type CoreOutput = CommandOutput | PieceOutput | EndedOutput | ServiceOutput;

/** Tells what filters want beside their streams from the rest. */
export function isServiceOutput(message: CoreOutput): message is ServiceOutput {
  return message[0] > FromCore.ended;
}

/** Everything of one turn of the worker, or of a timer in it. */
export interface OutputBatch {
  readonly wire: WireBatch;
  /** Bytes of bodies the worker has taken in so far: what it has not is still on its way. */
  readonly taken: number;
}
