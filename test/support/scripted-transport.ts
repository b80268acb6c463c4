import type { HttpRequest, HttpResponse, HttpTransport } from "../../src/platform/http-transport.ts";

/** What a made-up server answers; the body's pieces are made when they are asked for. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A transport without any network. */
export interface ScriptedTransport extends HttpTransport {
  readonly requests: readonly HttpRequest[];
  /** Bytes of answers that were taken. */
  readonly taken: () => number;
}

/** Answers each request as `answer` says; an error it throws is that of a broken connection. */
export function scriptedTransport(answer: (request: HttpRequest, nth: number) => ScriptedAnswer): ScriptedTransport {
  const requests: HttpRequest[] = [];
  let taken = 0;
  return {
    requests,
    taken: () => taken,
    send: async (request) => {
      request.signal?.throwIfAborted();
      requests.push(request);
      if (request.body !== undefined) for await (const chunk of request.body.open()) request.onSent?.(chunk.byteLength);
      const { status, headers = {}, body = [] } = answer(request, requests.length - 1);
      async function* read(): AsyncGenerator<Uint8Array> {
        for await (const chunk of body) {
          taken += chunk.byteLength;
          yield chunk;
        }
      }
      const response: HttpResponse = { status, headers, body: read(), discard: () => undefined };
      return response;
    },
    close: () => undefined,
  };
}

/** Pieces without end. */
export function* endlessPieces(piece: Uint8Array): Generator<Uint8Array> {
  for (;;) yield piece;
}

/** A connection that was reset. */
export function connectionReset(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
}
