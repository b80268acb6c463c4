import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Connection } from "./api.ts";

/** What is done to one request instead of passing it on. */
export type Fault =
  /** Answered by the proxy with a Status object, as the API server would. */
  | { readonly status: number; readonly reason?: string; readonly message?: string; readonly retryAfter?: number }
  /** Cut: `before` the server gets it, or `after` the server has done it and before its answer arrives. */
  | { readonly reset: "before" | "after" }
  /** Never answered. */
  | "hang"
  /** A watch whose first event is this error. */
  | { readonly errorEvent: { readonly code: number; readonly reason?: string } };

/** A request as faults are chosen by. */
export interface ProxiedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly isWatch: boolean;
  /** Bytes of the answer so far; for counting what goes over the wire. */
  received: number;
}

/** An API server that misbehaves when told to, in front of a real one that does not. */
export interface FaultProxy {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly ProxiedRequest[];
  /** A copy of a kubeconfig file of the cluster that leads through the proxy. */
  kubeconfig(original: string): Promise<string>;
  /** From now on asks this of each request; `undefined` passes it on. Replaces what was asked before. */
  inject(choose: (request: ProxiedRequest) => Fault | undefined): void;
  /** Breaks all watches under way: ends them well, cuts them, or lets them fall silent. Gives their number. */
  breakWatches(how: "end" | "reset" | "silence"): number;
  /** Watches under way. */
  watches(): number;
  stop(): Promise<void>;
}

interface OpenWatch {
  readonly answer: ServerResponse;
  readonly upstream: IncomingMessage;
}

/** Starts one on a free loopback port; plain http, so that no certificate is needed. The server may go and come back. */
export async function startFaultProxy(
  connection: Pick<Connection, "server" | "caFile" | "directory">,
): Promise<FaultProxy> {
  const agent = new Agent({ ca: await readFile(connection.caFile), keepAlive: true });
  const requests: ProxiedRequest[] = [];
  const watches = new Set<OpenWatch>();
  const sockets = new Set<Socket>();
  let choose: (request: ProxiedRequest) => Fault | undefined = () => undefined;

  const pass = (incoming: IncomingMessage, answer: ServerResponse, seen: ProxiedRequest, lose: boolean): void => {
    const headers = { ...incoming.headers, host: new URL(connection.server).host };
    const onward = httpsRequest(`${connection.server}${incoming.url}`, {
      method: incoming.method ?? "GET",
      headers,
      agent,
    });
    onward.on("error", () => answer.destroy());
    onward.on("response", (upstream) => {
      if (lose) {
        // A watch is done when it is open: its end is minutes away, and until then its client would hear nothing.
        if (seen.isWatch) {
          answer.destroy();
          return;
        }
        upstream.resume();
        upstream.on("end", () => answer.destroy());
        return;
      }
      const watch = { answer, upstream };
      if (seen.isWatch) watches.add(watch);
      answer.writeHead(upstream.statusCode ?? 502, upstream.headers);
      answer.flushHeaders();
      upstream.on("data", (chunk: Buffer) => (seen.received += chunk.byteLength));
      upstream.on("error", () => answer.destroy());
      upstream.pipe(answer);
      answer.on("close", () => {
        watches.delete(watch);
        upstream.destroy();
      });
    });
    answer.on("close", () => onward.destroy());
    incoming.pipe(onward);
  };

  const server = createServer((incoming, answer) => {
    const { pathname, searchParams: query } = new URL(incoming.url ?? "/", "http://proxy");
    const isWatch = query.get("watch") === "true";
    const seen = { method: incoming.method ?? "", path: pathname, query, isWatch, received: 0 };
    requests.push(seen);
    const fault = choose(seen);
    if (fault === undefined) pass(incoming, answer, seen, false);
    else if (fault === "hang") incoming.resume();
    else if ("status" in fault) refuse(incoming, answer, fault);
    else if ("errorEvent" in fault) sendError(incoming, answer, fault.errorEvent);
    else if (fault.reset === "before") incoming.socket.resetAndDestroy();
    else pass(incoming, answer, seen, true);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let written = 0;
  return {
    url,
    requests,
    kubeconfig: async (original) => {
      const config = parse(await readFile(original, "utf8")) as { clusters: { cluster: object }[] };
      for (const entry of config.clusters) entry.cluster = { server: url };
      written += 1;
      const path = join(connection.directory, `kubeconfig-proxy-${new URL(url).port}-${written}.yaml`);
      await writeFile(path, stringify(config), { mode: 0o600 });
      return path;
    },
    inject: (chooser) => (choose = chooser),
    breakWatches: (how) => {
      const broken = [...watches];
      for (const { answer, upstream } of broken) {
        upstream.unpipe(answer);
        if (how === "end") answer.end();
        else if (how === "reset") answer.socket?.resetAndDestroy();
      }
      return broken.length;
    },
    watches: () => watches.size,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function refuse(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { status, reason = "", message = "injected", retryAfter }: Extract<Fault, { readonly status: number }>,
): void {
  incoming.resume();
  const headers = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  answer.writeHead(status, { "content-type": "application/json", ...headers });
  answer.end(JSON.stringify(statusObject(status, reason, message)));
}

function sendError(
  incoming: IncomingMessage,
  answer: ServerResponse,
  { code, reason = "" }: { readonly code: number; readonly reason?: string },
): void {
  incoming.resume();
  answer.writeHead(200, { "content-type": "application/json" });
  answer.end(`${JSON.stringify({ type: "ERROR", object: statusObject(code, reason, "injected") })}\n`);
}

function statusObject(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
}
