import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { type Fault, type FaultExchange, type RealAnswer, send } from "./fault-exchange.ts";

export type { Fault as AnyFault } from "./fault-exchange.ts";

/** Answers with a status and no body. */
export function status(code: number, head: Record<string, string> = {}): Fault {
  return ({ request, response }) => {
    request.resume();
    response.writeHead(code, { "content-length": "0", ...head }).end();
  };
}

/** Answers with a distribution error body. */
export function refuse(code: number, error: string, message: string): Fault {
  return ({ request, response }) => {
    request.resume();
    response.writeHead(code, { "content-type": "application/json" });
    response.end(JSON.stringify({ errors: [{ code: error, message }] }));
  };
}

/** The real answer, changed. */
export function change(edit: (answer: RealAnswer, exchange: FaultExchange) => Partial<RealAnswer>): Fault {
  return async (exchange) => {
    const answer = await exchange.answer();
    send(exchange.response, { ...answer, ...edit(answer, exchange) });
  };
}

/** The real answer with other headers; an empty value takes a header away. */
export function headers(changes: Record<string, string>): Fault {
  return change((answer) => ({
    headers: Object.fromEntries(Object.entries({ ...answer.headers, ...changes }).filter(([, value]) => value !== "")),
  }));
}

/** The real head and the first bytes of the body; then the connection is reset, ended, or silent. */
export function cutBody(bytes: number, how: "reset" | "fin" | "stall"): Fault {
  return async (exchange) => {
    const { response } = exchange;
    const answer = await exchange.answer();
    response.writeHead(answer.status, answer.headers);
    response.write(answer.body.subarray(0, bytes));
    if (how === "stall") return;
    await flushed(response);
    if (how === "reset") response.socket?.resetAndDestroy();
    else response.socket?.end();
  };
}

/** Reads some of the request's body; then the connection is reset. */
export function resetUpload(bytes: number): Fault {
  return async ({ request }) => {
    let seen = 0;
    for await (const chunk of request) {
      seen += (chunk as Buffer).byteLength;
      if (seen >= bytes) break;
    }
    request.socket.resetAndDestroy();
  };
}

/** Does what was asked and loses the answer. */
export function loseAnswer(): Fault {
  return async (exchange) => {
    await exchange.answer();
    exchange.request.socket.resetAndDestroy();
  };
}

/** Does what was asked and resets the connection after the first bytes of the answer, head included. */
export function loseAnswerAfter(bytes: number): Fault {
  return async (exchange) => {
    const { response, request } = exchange;
    const answer = await exchange.answer();
    const head = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const whole = Buffer.concat([Buffer.from(`HTTP/1.1 ${answer.status} OK\r\n${head.join("")}\r\n`), answer.body]);
    response.detachSocket(request.socket);
    await new Promise((resolve) => request.socket.write(whole.subarray(0, bytes), resolve));
    request.socket.resetAndDestroy();
  };
}

/** The real answer; then the connection, which the client may have kept, is reset. */
export function resetAfterAnswer(): Fault {
  return async (exchange) => {
    const { response, request } = exchange;
    const answer = await exchange.answer();
    response.once("finish", () => setTimeout(() => request.socket.resetAndDestroy(), 5));
    send(response, answer);
  };
}

/** Takes only the beginning of an upload's body, and does not say so but in `range`. */
export function takeBeginning(bytes: number): Fault {
  return async (exchange) => send(exchange.response, await exchange.answer({ bodyLimit: bytes }));
}

/** Another body; its length is said honestly. */
export function body(edit: (real: Buffer) => Buffer): Fault {
  return change((answer) => {
    const edited = edit(answer.body);
    return { body: edited, headers: { ...answer.headers, "content-length": String(edited.byteLength) } };
  });
}

/** One byte in the middle is another. */
export function wrongByte(): Fault {
  return body((real) => {
    const copy = Buffer.from(real);
    const middle = copy.byteLength >> 1;
    copy[middle] = (copy[middle] ?? 0) ^ 1;
    return copy;
  });
}

/** The body in many small pieces with pauses between. */
export function drip(pieces: number, pauseMs: number): Fault {
  return async (exchange) => {
    const answer = await exchange.answer();
    exchange.response.writeHead(answer.status, answer.headers);
    const step = Math.ceil(answer.body.byteLength / pieces);
    for (let at = 0; at < answer.body.byteLength; at += step) {
      exchange.response.write(answer.body.subarray(at, at + step));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    exchange.response.end();
  };
}

/** Blanks without end, as fast as they are taken; `taken` counts their bytes. */
export function endless(head: Record<string, string> = {}, taken: { bytes: number } = { bytes: 0 }): Fault {
  return endlessWith(200, taken, head);
}

/** The same with another status. */
export function endlessWith(code: number, taken: { bytes: number }, head: Record<string, string> = {}): Fault {
  return async ({ request, response }) => {
    response.writeHead(code, head);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    const blanks = Buffer.alloc(64 * 1024, " ");
    const closed = once(response, "close");
    while (!response.destroyed) {
      taken.bytes += blanks.byteLength;
      if (!response.write(blanks)) await Promise.race([once(response, "drain"), closed]);
    }
  };
}

/** Answers 400 to a request that brings credentials, as storage behind signed addresses does; else as it is. */
export function refuseCredentials(): Fault {
  return async (exchange) => {
    if (exchange.request.headers.authorization === undefined) send(exchange.response, await exchange.answer());
    else await refuse(400, "InvalidArgument", "only one auth mechanism allowed")(exchange);
  };
}

/** Sends on to the other origin. */
export function redirectElsewhere(code = 307, head: Record<string, string> = {}): Fault {
  return ({ request, response, elsewhere }) => {
    request.resume();
    response.writeHead(code, { location: `${elsewhere}${request.url ?? ""}`, "content-length": "0", ...head }).end();
  };
}

/** The real location as a whole URL. */
export function locationAbsolute(): Fault {
  return change((answer, { request }) => {
    const location = new URL(answer.headers["location"] ?? "", `http://${request.headers.host ?? ""}`).href;
    return { headers: { ...answer.headers, location } };
  });
}

/** Sends back to the same place. */
export function redirectToItself(): Fault {
  return ({ request, response }) => {
    request.resume();
    response.writeHead(307, { location: request.url ?? "/", "content-length": "0" }).end();
  };
}

/** The real answer with two `location` headers, the first one the right one if there is any. */
export function twoLocations(): Fault {
  return async (exchange) => {
    const { status: code, headers: real, body: bytes } = await exchange.answer();
    const location = [real["location"] ?? "/v2/one", "/v2/two"];
    for (const [name, value] of Object.entries({ ...real, location })) exchange.response.setHeader(name, value);
    exchange.response.writeHead(code);
    exchange.response.end(bytes);
  };
}

/** What is no HTTP at all. */
export function notHttp(): Fault {
  return ({ request, response }) => {
    request.resume();
    response.detachSocket(request.socket);
    request.socket.end("SSH-2.0-OpenSSH_9.2\r\n");
  };
}

/** An upload goes on at the other origin. */
export function locationElsewhere(): Fault {
  return change((answer, { elsewhere }) => {
    return { headers: { ...answer.headers, location: new URL(answer.headers["location"] ?? "", elsewhere).href } };
  });
}

/** A compressed body nobody asked for. */
export function gzip(): Fault {
  return change((answer) => {
    const packed = gzipSync(answer.body);
    const length = String(packed.byteLength);
    return { body: packed, headers: { ...answer.headers, "content-encoding": "gzip", "content-length": length } };
  });
}

/** No answer at all. */
export function silence(): Fault {
  return ({ request }) => {
    request.resume();
  };
}

/** No answer, and the body stays unread. */
export function neverRead(): Fault {
  return ({ request }) => {
    request.pause();
  };
}

/** A server that knows no mounts: it starts an upload instead. */
export function withoutMount(): Fault {
  return async (exchange) => {
    exchange.request.url = (exchange.request.url ?? "").split("?", 1)[0] ?? "";
    send(exchange.response, await exchange.answer());
  };
}

/** A server that ignores `range`. */
export function noRange(): Fault {
  return async (exchange) => {
    delete exchange.request.headers.range;
    send(exchange.response, await exchange.answer());
  };
}

async function flushed(response: FaultExchange["response"]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (response.writableNeedDrain) await Promise.race([once(response, "drain"), once(response, "close")]);
}
