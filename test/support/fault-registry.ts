import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RegistryServer, startRegistryServer } from "../../src/hub/registry-server.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { type AuthScript, createGate, type Gate } from "./fault-auth.ts";
import { type Fault, type FaultExchange, pass, type RealAnswer } from "./fault-exchange.ts";

/** What a request is about. */
export type RequestClass =
  | "ping"
  | "token"
  | "manifest.get"
  | "manifest.head"
  | "manifest.put"
  | "blob.get"
  | "blob.head"
  | "upload.post"
  | "upload.put"
  | "upload.delete"
  | "tags"
  | "catalog"
  | "other";

/** A request that arrived, on the registry itself or on the other origin. */
interface RecordedRequest {
  readonly kind: RequestClass;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly origin: "registry" | "elsewhere";
}

/** A registry with a fault script. */
export interface FaultRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** The other origin. */
  readonly elsewhere: string;
  /** What the registry behind the faults keeps. */
  readonly store: ImageStore;
  readonly requests: readonly RecordedRequest[];
  /** Applies a fault to the next `times` requests of these kinds; for ever when absent. */
  on(kinds: RequestClass | readonly RequestClass[], fault: Fault, times?: number): void;
  /** Forgets faults and requests. */
  reset(): void;
  /** How many requests of a kind arrived. */
  count(kind: RequestClass): number;
  close(): Promise<void>;
}

interface Rule {
  readonly kinds: readonly RequestClass[];
  readonly fault: Fault;
  left: number;
}

/** Starts our own registry server with a fault script in front, and a second origin beside it. */
export async function startFaultRegistry(auth?: AuthScript): Promise<FaultRegistry> {
  const dir = await mkdtemp(join(tmpdir(), "wasme-faults-"));
  const store = openStore(join(dir, "store"));
  const backend = await startRegistryServer({ store, name: "registry" });
  const requests: RecordedRequest[] = [];
  const rules: Rule[] = [];
  const front = createServer();
  const beside = createServer();
  const [host, elsewhere] = await Promise.all([listen(front), listen(beside)]);
  const gate = auth === undefined ? undefined : createGate(auth, `http://${host}/token`);
  front.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const kind = classify(request);
    requests.push(record(request, kind, "registry"));
    const fault = takeRule(rules, kind);
    const exchange = exchangeOf({ request, response, backend, elsewhere: `http://${elsewhere}` });
    void serve(exchange, gate, fault).catch(() => response.destroy());
  });
  beside.on("request", (request: IncomingMessage, response: ServerResponse) => {
    requests.push(record(request, classify(request), "elsewhere"));
    const exchange = exchangeOf({ request, response, backend, elsewhere: `http://${elsewhere}` });
    void pass(exchange).catch(() => response.destroy());
  });
  return {
    host,
    url: `http://${host}`,
    elsewhere: `http://${elsewhere}`,
    store,
    requests,
    on: (kinds, fault, times = Number.POSITIVE_INFINITY) => {
      rules.push({ kinds: typeof kinds === "string" ? [kinds] : kinds, fault, left: times });
    },
    reset: () => {
      rules.length = 0;
      requests.length = 0;
    },
    count: (kind) => requests.filter((each) => each.kind === kind).length,
    close: async () => {
      await Promise.all([stop(front), stop(beside), backend.close()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function serve(exchange: FaultExchange, gate: Gate | undefined, fault: Fault | undefined): Promise<void> {
  if (fault !== undefined) await fault(exchange);
  else if (gate === undefined || !gate.stops(exchange)) await pass(exchange);
}

function takeRule(rules: readonly Rule[], kind: RequestClass): Fault | undefined {
  const rule = rules.find((each) => each.left > 0 && each.kinds.includes(kind));
  if (rule === undefined) return undefined;
  rule.left -= 1;
  return rule.fault;
}

interface Parts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly backend: RegistryServer;
  readonly elsewhere: string;
}

function exchangeOf({ request, response, backend, elsewhere }: Parts): FaultExchange {
  return { request, response, elsewhere, answer: () => forward(request, backend.url) };
}

/** Asks the backend; its relative locations stay as they are. */
function forward(request: IncomingMessage, base: string): Promise<RealAnswer> {
  return new Promise((resolve, reject) => {
    const { host: _host, connection: _connection, ...headers } = request.headers;
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
    request.on("error", () => outgoing.destroy());
    request.pipe(outgoing);
  });
}

function classify(request: IncomingMessage): RequestClass {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const method = (request.method ?? "").toLowerCase();
  if (path === "/token") return "token";
  if (/^\/v2\/?$/u.test(path)) return "ping";
  if (path.endsWith("/tags/list")) return "tags";
  if (path === "/v2/_catalog") return "catalog";
  const known = KINDS.find(([pattern]) => pattern.test(path))?.[1];
  return known === undefined ? "other" : ((known + method) as RequestClass);
}

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/\/blobs\/uploads\//u, "upload."],
  [/\/blobs\//u, "blob."],
  [/\/manifests\//u, "manifest."],
];

function record(request: IncomingMessage, kind: RequestClass, origin: RecordedRequest["origin"]): RecordedRequest {
  const { headers, method = "", url: path = "" } = request;
  return { kind, method, path, authorization: headers.authorization, range: headers.range, headers, origin };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
