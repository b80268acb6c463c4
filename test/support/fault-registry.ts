import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRegistryServer } from "../../src/hub/registry-server.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { type AuthScript, createGate } from "./fault-auth.ts";
import { forward, isUploadOpen } from "./fault-backend.ts";
import { type Fault, type FaultExchange, pass, type RealAnswer } from "./fault-exchange.ts";
import { record, type RecordedRequest, type RequestClass } from "./fault-requests.ts";

export type { RequestClass } from "./fault-requests.ts";

/** Requests a fault is for: of these kinds, or those it says yes to. */
export type FaultTarget = RequestClass | readonly RequestClass[] | ((request: RecordedRequest) => boolean);

/** A registry with a fault script. */
export interface FaultRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** The other origin: the same blobs and uploads, no authentication, no faults but its own. */
  readonly elsewhere: string;
  /** What the registry behind the faults keeps. */
  readonly store: ImageStore;
  readonly requests: readonly RecordedRequest[];
  /** Applies a fault to the next `times` requests of these kinds; for ever when absent. */
  on(target: FaultTarget, fault: Fault, times?: number): void;
  /** The same for the other origin. */
  onElsewhere(target: FaultTarget, fault: Fault, times?: number): void;
  /** Forgets faults and requests. */
  reset(): void;
  /** How many requests of a kind arrived. */
  count(kind: RequestClass): number;
  /** Upload sessions that are neither finished nor deleted; only those the client was told of when `known`. */
  openUploads(which?: "known" | "all"): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** How the registry appears. */
export interface FaultRegistryOptions {
  /** Serves https with this PEM certificate and key. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** Where tokens are given: at the registry, or at the other origin. */
  readonly tokensAt?: "registry" | "elsewhere";
  /** Address to listen on; default `127.0.0.1`. */
  readonly address?: string;
  /** Host name the other origin is called by; default that of the registry. */
  readonly elsewhereName?: string;
}

interface Rule {
  readonly matches: (request: RecordedRequest) => boolean;
  readonly fault: Fault;
  left: number;
}

/** Starts our own registry server with a fault script in front, and a second origin beside it. */
export async function startFaultRegistry(
  auth?: AuthScript,
  options: FaultRegistryOptions = {},
): Promise<FaultRegistry> {
  const { tls, tokensAt = "registry", address = "127.0.0.1", elsewhereName = address } = options;
  const dir = await mkdtemp(join(tmpdir(), "wasme-faults-"));
  const store = openStore(join(dir, "store"));
  const backend = await startRegistryServer({ store, name: "registry" });
  const requests: RecordedRequest[] = [];
  const rules = { registry: [] as Rule[], elsewhere: [] as Rule[] };
  const uploads = new Uploads();
  const scheme = tls === undefined ? "http" : "https";
  const make = (): Server => (tls === undefined ? createServer() : createTlsServer(tls));
  const servers = { registry: make(), elsewhere: make() };
  const [host, beside] = await Promise.all([listen(servers.registry, address), listen(servers.elsewhere, address)]);
  const url = `${scheme}://${host}`;
  const elsewhere = `${scheme}://${elsewhereName}:${beside.slice(beside.lastIndexOf(":") + 1)}`;
  const gate = auth === undefined ? undefined : createGate(auth, `${tokensAt === "registry" ? url : elsewhere}/token`);
  for (const origin of ["registry", "elsewhere"] as const) {
    servers[origin].on("request", (request: IncomingMessage, response: ServerResponse) => {
      const recorded = record(request, origin);
      requests.push(recorded);
      uploads.answered(request, response);
      const fault = takeRule(rules[origin], recorded);
      const exchange = exchangeOf({ request, response, base: backend.url, elsewhere, uploads });
      const gated = origin === tokensAt && recorded.kind === "token" ? gate : origin === "registry" ? gate : undefined;
      const serve = async (): Promise<void> => {
        if (fault !== undefined) await fault(exchange);
        else if (gated === undefined || !gated.stops(exchange)) await pass(exchange);
      };
      void serve().catch(() => response.destroy());
    });
  }
  const addRule = (list: Rule[]) => {
    return (target: FaultTarget, fault: Fault, times = Number.POSITIVE_INFINITY): void => {
      list.push({ matches: matcher(target), fault, left: times });
    };
  };
  return {
    host,
    url,
    elsewhere,
    store,
    requests,
    on: addRule(rules.registry),
    onElsewhere: addRule(rules.elsewhere),
    reset: () => {
      rules.registry.length = 0;
      rules.elsewhere.length = 0;
      requests.length = 0;
      uploads.forget();
    },
    count: (kind) => requests.filter((each) => each.kind === kind).length,
    openUploads: (which = "known") => uploads.open(backend.url, which),
    close: async () => {
      await Promise.all([stop(servers.registry), stop(servers.elsewhere), backend.close()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function matcher(target: FaultTarget): Rule["matches"] {
  if (typeof target === "function") return target;
  const kinds: readonly RequestClass[] = typeof target === "string" ? [target] : target;
  return ({ kind }) => kinds.includes(kind);
}

function takeRule(rules: readonly Rule[], request: RecordedRequest): Fault | undefined {
  const rule = rules.find((each) => each.left > 0 && each.matches(request));
  if (rule === undefined) return undefined;
  rule.left -= 1;
  return rule.fault;
}

/** Upload sessions the registry behind the faults started. */
class Uploads {
  readonly #paths = new Map<string, { told: boolean }>();

  /** Notes a session that was started for a client; it knows of it when the answer that says so went out whole. */
  started(path: string, response: ServerResponse): void {
    const upload = { told: false };
    this.#paths.set(path, upload);
    let says = false;
    const writeHead = response.writeHead.bind(response) as (...head: unknown[]) => ServerResponse;
    response.writeHead = (...head: unknown[]) => {
      says = head[0] === 202 && JSON.stringify(head).includes(path);
      return writeHead(...head);
    };
    response.once("finish", () => {
      upload.told = says;
    });
  }

  /** Whoever is told that a session is gone need not end it. */
  answered(request: IncomingMessage, response: ServerResponse): void {
    response.once("finish", () => {
      if (response.statusCode === 404) this.#paths.delete((request.url ?? "").split("?", 1)[0] ?? "");
    });
  }

  forget(): void {
    this.#paths.clear();
  }

  async open(base: string, which: "known" | "all"): Promise<readonly string[]> {
    const candidates = [...this.#paths].filter(([, { told }]) => told || which === "all").map(([path]) => path);
    const open = await Promise.all(candidates.map((path) => isUploadOpen(base, path)));
    return candidates.filter((_path, at) => open[at]);
  }
}

interface Parts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly base: string;
  readonly elsewhere: string;
  readonly uploads: Uploads;
}

function exchangeOf({ request, response, base, elsewhere, uploads }: Parts): FaultExchange {
  const answer = async (options = {}): Promise<RealAnswer> => {
    const real = await forward(request, base, options);
    const { location } = real.headers;
    if (request.method === "POST" && real.status === 202 && location !== undefined) uploads.started(location, response);
    return real;
  };
  return { request, response, elsewhere, answer };
}

async function listen(server: Server, address: string): Promise<string> {
  server.listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
