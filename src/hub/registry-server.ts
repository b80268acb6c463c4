import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { authority, drain, listenOn } from "../platform/http-server.ts";
import type { ImageStore } from "../store/image-store.ts";
import { type AccessRecord, recordAccess } from "./access-record.ts";
import { type Gate, openGate } from "./gate.ts";
import type { RegistryState } from "./registry-exchange.ts";
import { refusalOf, RegistryRefusal, replyJson, replyRefusal } from "./registry-reply.ts";
import { findEndpoint, type RegistryPolicy } from "./registry-router.ts";
import { Repositories } from "./repositories.ts";
import { isLoopback, serverNames } from "./server-names.ts";
import { UploadSessions } from "./upload-sessions.ts";
import { type WebGuard, webGuard } from "./web-guard.ts";

/** How a registry server is started. */
export interface RegistryServerOptions {
  /** Where images are kept; other processes may use it at the same time. */
  readonly store: ImageStore;
  /** Address to listen on; default `127.0.0.1`. */
  readonly host?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /**
   * Stands before the repositories in the store's references; default `localhost:PORT` on a loopback address, whose
   * other names are found too, else `HOST:PORT`.
   */
  readonly name?: string;
  /** Serves https with this PEM certificate, or chain, and its key. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Asks for user names and passwords; everybody may do everything without. */
  readonly auth?: RegistryAuth;
  /** Refuses all that changes something. */
  readonly readOnly?: boolean;
  /** False refuses to delete manifests, tags and blobs; default true. */
  readonly deletes?: boolean;
  /** Is told of every request once it is answered. */
  readonly onRequest?: (record: AccessRecord) => void;
  /** Is told of what goes wrong without ending the server: a user file that became invalid, a bug. */
  readonly onFault?: (error: unknown) => void;
}

/** Who may use a registry. Every user may do everything. */
export interface RegistryAuth {
  /** `basic`: with every request. `token`: a bearer token, which the server gives out itself at `/token`. */
  readonly mode: "basic" | "token";
  /** File of users, one `USER:BCRYPT-HASH` a line, as Apache's htpasswd writes it. Read again when it changes. */
  readonly htpasswd: string;
  /** Lets requests that only pull go without a user; default false. */
  readonly anonymousPull?: boolean;
  /** How long a token is good for; default 300. */
  readonly tokenSeconds?: number;
}

/** A running registry. */
export interface RegistryServer {
  /** `http://127.0.0.1:5000`. */
  readonly url: string;
  /** `127.0.0.1:5000`, where it listens. */
  readonly host: string;
  /** `localhost:5000`, as image references had best name it. */
  readonly name: string;
  /** Takes no more requests, lets those under way end within `graceMs` (default 0), and drops unfinished uploads. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Serves a store as an OCI registry (distribution spec 1.1, whole: pull, push, content discovery, content management).
 * Throws `ADDRESS_IN_USE`, `ADDRESS_UNUSABLE` (failed), `TLS_INVALID`, `HTPASSWD_INVALID`, `FILE_UNREADABLE` (usage).
 */
export async function startRegistryServer(options: RegistryServerOptions): Promise<RegistryServer> {
  const { store, host = "127.0.0.1", tls } = options;
  const scheme = tls === undefined ? "http" : "https";
  const server = createListener(tls);
  const port = await listenOn(server, host, options.port ?? 0);
  try {
    const own = authority(host, port);
    const gate = await createGate(options, scheme, own);
    const names = serverNames(host, port, options.name);
    const uploads = new UploadSessions(store);
    const state = { store, uploads, repositories: new Repositories(store, names) };
    const policy = { gate, readOnly: options.readOnly ?? false, deletes: options.deletes ?? true };
    const guard = webGuard({ trustsMachine: options.auth === undefined && isLoopback(host), name: options.name });
    serve(server, state, { ...options, policy, guard });
    const close = async (graceMs = 0): Promise<void> => {
      await drain(server, graceMs);
      await uploads.close();
    };
    return { url: `${scheme}://${own}`, host: own, name: names[0], close };
  } catch (error) {
    await drain(server, 0);
    throw error;
  }
}

function createListener(tls: RegistryServerOptions["tls"]): Server {
  try {
    const server = tls === undefined ? createServer(LIMITS) : createTlsServer({ ...LIMITS, ...tls });
    server.setTimeout(SILENCE_MS);
    return server;
  } catch (error) {
    const message = "the TLS certificate and key are not a pair in PEM form";
    throw new WasmeError("usage", "TLS_INVALID", message, { cause: error });
  }
}

/** `requestTimeout` 0: uploads take as long as they take, as long as something moves. Milliseconds. */
const LIMITS = { requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 30_000 };
const SILENCE_MS = 5 * 60 * 1000;

async function createGate(options: RegistryServerOptions, scheme: string, own: string): Promise<Gate> {
  const { auth, onFault = () => undefined } = options;
  if (auth === undefined) return openGate;
  const { openHtpasswd } = await import("./htpasswd.ts");
  const users = await openHtpasswd(auth.htpasswd, onFault);
  const { anonymousPull = false, tokenSeconds: lifeSeconds = 300 } = auth;
  if (auth.mode === "basic") return (await import("./basic-gate.ts")).basicGate(users, anonymousPull);
  const { tokenGate } = await import("./token-gate.ts");
  return tokenGate({ users, anonymousPull, lifeSeconds, scheme, authority: own });
}

interface Serving extends Pick<RegistryServerOptions, "onRequest" | "onFault"> {
  readonly policy: RegistryPolicy;
  readonly guard: WebGuard;
}

function serve(server: Server, state: RegistryState, serving: Serving): void {
  const { onRequest = () => undefined, onFault = () => undefined } = serving;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const setUser = recordAccess(request, response, onRequest);
    try {
      serving.guard(request);
      await answer({ request, response, ...state }, serving.policy, setUser);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal.status >= 500 && !CLIENT_GONE.has(errnoOf(error) ?? "")) onFault(error);
      replyRefusal(response, refusal);
      request.resume(); // what is left of the body is read, so that the client reads the answer
    }
  };
  server.on("request", (request, response) => void handle(request, response));
  // Clients that wait to be asked for the body are spared it when they are refused.
  server.on("checkContinue", (request, response) => void handle(request, response));
}

/** Nobody's fault: the client broke off. */
const CLIENT_GONE: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
]);

async function answer(
  connection: RegistryState & { readonly request: IncomingMessage; readonly response: ServerResponse },
  policy: RegistryPolicy,
  setUser: (user: string | undefined) => void,
): Promise<void> {
  const { request, response } = connection;
  const { method = "", url: target = "/" } = request;
  if (!URL.canParse(target, BASE)) throw new RegistryRefusal(400, "NAME_INVALID", "the path is none");
  const { pathname, searchParams: query } = new URL(target, BASE);
  const { gate } = policy;
  if (pathname === gate.tokenPath) {
    acceptBody(request, response);
    replyJson(response, await gate.grant?.(request, query), { headers: { "cache-control": "no-store" } });
    return;
  }
  response.setHeader("docker-distribution-api-version", "registry/2.0");
  response.setHeader("x-content-type-options", "nosniff");
  if (!/^\/v2(?:\/|$)/u.test(pathname)) throw new RegistryRefusal(404, "NAME_UNKNOWN", "the API is at /v2/");
  const endpoint = findEndpoint(method, pathname.slice("/v2/".length), policy, query);
  setUser(await gate.admit(request, endpoint.wanted));
  acceptBody(request, response);
  await endpoint.run({ ...connection, query });
}

function acceptBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
}

const BASE = "http://registry";
