import type { IncomingMessage, ServerResponse } from "node:http";

/** What a forwarded request may differ in from the one that came. */
export interface ForwardOptions {
  /** Bytes of the body that are passed on; all of it when absent. */
  readonly bodyLimit?: number | undefined;
}

/** What a fault does with a request: answers it, breaks it, or lets it through changed. */
export type Fault = (exchange: FaultExchange) => Promise<void> | void;

/** A request a fault may play with. */
export interface FaultExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Base URL of the other origin: same host name, other port, no authentication. */
  readonly elsewhere: string;
  /** What the real registry says; the request's body is passed on. */
  answer(options?: ForwardOptions): Promise<RealAnswer>;
}

/** A complete answer of the real registry. */
export interface RealAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** Lets a request through. */
export async function pass(exchange: FaultExchange): Promise<void> {
  send(exchange.response, await exchange.answer());
}

/** Sends a whole answer. */
export function send(response: ServerResponse, answer: RealAnswer): void {
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}
