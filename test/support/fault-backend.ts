import { type IncomingMessage, request as httpRequest } from "node:http";
import type { ForwardOptions, RealAnswer } from "./fault-exchange.ts";

/** Asks the registry behind the faults; its relative locations stay as they are. */
export function forward(request: IncomingMessage, base: string, options: ForwardOptions = {}): Promise<RealAnswer> {
  return new Promise((resolve, reject) => {
    const { host: _host, connection: _connection, expect: _expect, ...headers } = request.headers;
    const { bodyLimit } = options;
    if (bodyLimit !== undefined) {
      delete headers["content-length"];
      delete headers["content-range"];
    }
    const outgoing = httpRequest(`${base}${request.url ?? "/"}`, { method: request.method ?? "GET", headers });
    outgoing.on("error", reject);
    outgoing.on("response", (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const { connection: _c, "keep-alive": _k, ...kept } = answer.headers;
        const plain = Object.entries(kept).map(([name, value]) => [name, String(value)]);
        resolve({
          status: answer.statusCode ?? 0,
          headers: Object.fromEntries(plain) as Record<string, string>,
          body: Buffer.concat(chunks),
        });
      });
    });
    // A client that goes away in the middle is gone for the backend too.
    request.on("error", () => outgoing.destroy());
    request.on("aborted", () => outgoing.destroy());
    if (bodyLimit === undefined) request.pipe(outgoing);
    else passBeginning(request, outgoing, bodyLimit);
  });
}

/** Passes on the first bytes and reads the rest for nothing. */
function passBeginning(request: IncomingMessage, outgoing: NodeJS.WritableStream, limit: number): void {
  let left = limit;
  request.on("data", (chunk: Buffer) => {
    if (left > 0) outgoing.write(chunk.subarray(0, left));
    left -= chunk.byteLength;
  });
  request.on("end", () => outgoing.end());
}

/** Whether an upload session is still open behind the faults. */
export function isUploadOpen(base: string, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const asking = httpRequest(`${base}${path}`, { method: "GET", agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 204));
    });
    asking.on("error", reject);
    asking.end();
  });
}
