import { Agent, type ClientRequest, request as requestHttp, type RequestOptions } from "node:http";
import { lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { usageError } from "../domain/errors.ts";
import type { Env } from "./env.ts";
import { readInLargePieces } from "./http-large-reads.ts";
import type { HttpProxy } from "./http-proxy.ts";
import type { TlsSettings } from "./http-trust.ts";

/** The way to one origin: its connection pool, by a proxy or not. */
interface Route {
  open(method: string, headers: Record<string, string>, signal: AbortSignal | undefined): ClientRequest;
}

/** Finds routes and keeps their pools. */
export interface Routes {
  find(url: URL, tls: TlsSettings, connectMs: number): Promise<Route>;
  close(): void;
}

/** Kept connections; the head start of one address family over the other must suit far servers. */
const POOL = { keepAlive: true, scheduling: "lifo", autoSelectFamilyAttemptTimeout: 1000 } as const;

/** Routes by the proxy variables of `env`. `node:https` is loaded when the first secure origin is asked for. */
export function createRoutes(env: Env): Routes {
  const pools = new Map<string, Promise<Agent>>();
  const opened: Agent[] = [];
  const pool = (key: string, make: () => Promise<Agent>): Promise<Agent> => {
    const known = pools.get(key);
    if (known !== undefined) return known;
    const made = make().then((agent) => {
      opened.push(agent);
      return agent;
    });
    pools.set(key, made);
    made.catch(() => pools.delete(key));
    return made;
  };
  return {
    find: async (url, tls, connectMs) => {
      const proxy = await proxyFor(url, env);
      if (url.protocol === "https:") {
        const { caFile, insecure, certFile, keyFile } = tls;
        const key = JSON.stringify([url.host, caFile, insecure, certFile, keyFile, proxy?.url.href]);
        const agent = await pool(key, () => secureAgent(tls, env, proxy && { ...proxy, connectMs }));
        const { request } = await import("node:https");
        return { open: (method, headers, signal) => request(requestOptions(url, { method, headers, signal, agent })) };
      }
      const agent = await pool(proxy?.url.href ?? "http:", () => Promise.resolve(readInLargePieces(new Agent(POOL))));
      return {
        open: (method, headers, signal) => requestHttp(plainOptions(url, proxy, { method, headers, signal, agent })),
      };
    },
    close: () => {
      for (const agent of opened) agent.destroy();
    },
  };
}

interface Call {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal | undefined;
  readonly agent: Agent;
}

function requestOptions(url: URL, call: Call): RequestOptions {
  const { signal, ...rest } = call;
  return {
    ...rest,
    ...(signal === undefined ? {} : { signal }),
    protocol: url.protocol,
    hostname: bareHost(url),
    port: url.port === "" ? null : url.port,
    path: `${url.pathname}${url.search}`,
    ...(url.hostname.endsWith(".localhost") ? { lookup: lookupLoopback } : {}),
  };
}

/** Not every system knows that `NAME.localhost` is itself (RFC 6761), and http is spoken to it: it is not asked for. */
const lookupLoopback: LookupFunction = (_hostname, options, callback) => lookup("localhost", options, callback);

/** Over a proxy a plain request names the whole URL (RFC 9112 section 3.2.2). */
function plainOptions(url: URL, proxy: HttpProxy | undefined, call: Call): RequestOptions {
  if (proxy === undefined) return requestOptions(url, call);
  if (proxy.url.protocol === "https:") {
    throw usageError("PROXY_INVALID", "plain http cannot go over a proxy that is reached by https", {
      hint: "set HTTP_PROXY to http://HOST:PORT, or list the registry in NO_PROXY",
    });
  }
  const headers = { host: url.host, ...call.headers, ...proxy.headers };
  const target = new URL(url);
  target.username = "";
  target.password = "";
  target.hash = "";
  return { ...requestOptions(proxy.url, { ...call, headers }), path: target.href };
}

/** Most machines have no proxy: then the rules are not even loaded. */
async function proxyFor(url: URL, env: Env): Promise<HttpProxy | undefined> {
  if (!Object.keys(env).some((name) => /^https?_proxy$/iu.test(name))) return undefined;
  const { findProxy } = await import("./http-proxy.ts");
  return findProxy(url, env);
}

async function secureAgent(
  tls: TlsSettings,
  env: Env,
  proxy: (HttpProxy & { readonly connectMs: number }) | undefined,
): Promise<Agent> {
  const [https, { loadTrust }] = await Promise.all([import("node:https"), import("./http-trust.ts")]);
  const trust = await loadTrust(tls, env);
  const agent = new https.Agent({ ...POOL, ...trust });
  if (proxy === undefined) return readInLargePieces(agent);
  const [{ connect }, { openTunnel }] = await Promise.all([import("node:tls"), import("./http-tunnel.ts")]);
  let session: Buffer | undefined; // a pool is for one host: its sessions fit all its connections
  agent.createConnection = (options, callback) => {
    const host = options.host ?? options.hostname ?? "";
    openTunnel(proxy, `${host.includes(":") ? `[${host}]` : host}:${options.port ?? 443}`, proxy.connectMs).then(
      (socket) => {
        const servername = options.servername ?? host;
        const resumed = session === undefined ? {} : { session };
        const secure = connect({ ...trust, ...resumed, host, socket, servername, ALPNProtocols: ["http/1.1"] });
        secure.on("session", (fresh) => (session = fresh));
        callback?.(null, secure);
      },
      (error: unknown) => (callback as ((error: unknown) => void) | undefined)?.(error),
    );
    return undefined;
  };
  return agent;
}

function bareHost(url: URL): string {
  return url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
}
