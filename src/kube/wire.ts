import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Credentials } from "./credentials.ts";

/** One HTTP request to the API server. */
export interface WireRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Absolute address. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds of silence before it is given up. */
  readonly idleMs: number;
}

/** An answer with its body still to come. */
export interface WireResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
}

/** Why no answer came: the error of Node, and whether a kept connection had gone stale. */
export class WireFailure extends Error {
  override readonly name: string = "WireFailure";
  /** The connection was a kept one that the server closed: trying again is safe and cheap. */
  readonly stale: boolean;

  constructor(cause: unknown, stale: boolean) {
    super("no answer", { cause });
    this.stale = stale;
  }
}

/** Marks a request that was silent for too long. */
export const IDLE_TIMEOUT = "EIDLE";

/** Sends a request over the kept agent. Throws the signal's reason when aborted, else {@link WireFailure}. */
export function exchange(request: WireRequest, access: Credentials, signal?: AbortSignal): Promise<WireResponse> {
  signal?.throwIfAborted();
  const send = request.url.protocol === "https:" ? httpsRequest : httpRequest;
  const options: RequestOptions = {
    method: request.method,
    agent: access.agent,
    headers: {
      accept: "application/json",
      "user-agent": "wasme",
      ...access.headers,
      ...request.headers,
      ...(request.body === undefined ? {} : { "content-length": Buffer.byteLength(request.body) }),
    },
    ...(signal === undefined ? {} : { signal }),
  };
  return new Promise((resolve, reject) => {
    const call = send(request.url, options);
    const late = (): void => {
      const error = Object.assign(new Error(`no answer for ${request.idleMs / 1000} s`), { code: IDLE_TIMEOUT });
      call.destroy(error);
      // Node tells nothing of a request that never got a connection.
      reject(new WireFailure(error, false));
    };
    // The request's own time-out begins when it is connected.
    const connecting = setTimeout(late, request.idleMs);
    const connected = (): void => clearTimeout(connecting);
    call.on("socket", (socket) => (socket.connecting ? socket.once("connect", connected) : connected()));
    call.setTimeout(request.idleMs, late);
    call.on("error", (error) => {
      connected();
      if (signal?.aborted === true) reject(signal.reason as Error);
      else reject(new WireFailure(error, call.reusedSocket));
    });
    call.on("response", (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bodyOf(response, signal) });
    });
    call.end(request.body);
  });
}

/** Reads a whole body as text, at most `limit` bytes. */
export async function readText(response: WireResponse, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > limit) throw new WireFailure(new Error(`the answer is longer than ${limit} bytes`), false);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* bodyOf(response: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    signal?.throwIfAborted();
    throw new WireFailure(error, false);
  }
}
