import { messageOf, usageError, WasmeError } from "../domain/errors.ts";
import { aborted } from "../platform/abort.ts";
import { readTextFile } from "../platform/read-file.ts";
import type { ImageStore } from "../store/image-store.ts";
import { checkLayout, ensureLayout, layoutPaths } from "../store/layout.ts";
import type { AccessRecord } from "./access-record.ts";
import type { ListenAddress } from "../platform/listen-address.ts";
import { type RegistryAuth, type RegistryServer, startRegistryServer } from "./registry-server.ts";
import { isLoopback } from "./server-names.ts";

/** What the log of a server is told. */
export type ServerLog = (entry: LogEntry) => void;

/** One line of the log. */
export type LogEntry =
  | { readonly type: "started"; readonly message: string; readonly next: string; readonly server: RegistryServer }
  | { readonly type: "warning"; readonly message: string; readonly hint?: string }
  | { readonly type: "request"; readonly record: AccessRecord };

/** What is to be served, and how. */
export interface ServeRegistryRequest {
  readonly listen: ListenAddress;
  /** See `RegistryServerOptions`. */
  readonly name: string | undefined;
  readonly auth: RegistryAuth | undefined;
  /** PEM files; both or none. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly readOnly: boolean;
  readonly deletes: boolean;
}

/** What it needs of the world. */
export interface ServeRegistryDeps {
  readonly store: ImageStore;
  readonly cwd: string;
  /** Ends the server. */
  readonly signal: AbortSignal;
}

/**
 * Runs a registry over a store until the signal asks it to end; then lets the requests under way end, for ten seconds
 * at most. Throws usage errors for what cannot be served, and those of `startRegistryServer`.
 */
export async function serveRegistry(
  deps: ServeRegistryDeps,
  request: ServeRegistryRequest,
  log: ServerLog,
): Promise<void> {
  const { store, signal } = deps;
  const { listen, auth } = request;
  await checkStore(store, request.readOnly);
  const tls = await readTls(deps, request);
  const server = await startRegistryServer({
    store,
    ...listen,
    ...(request.name === undefined ? {} : { name: request.name }),
    ...(auth === undefined ? {} : { auth }),
    ...(tls === undefined ? {} : { tls }),
    readOnly: request.readOnly,
    deletes: request.deletes,
    onRequest: (record) => log({ type: "request", record }),
    onFault: (error) => log({ type: "warning", message: messageOf(error), ...hintOf(error) }),
  });
  log({ type: "started", server, message: greeting(server, request, store.dir), next: nextCommand(server, request) });
  if (!isLoopback(listen.host) && auth === undefined && !request.readOnly) {
    log({
      type: "warning",
      message: `everybody who reaches ${server.host} can push and delete`,
      hint: "pass --htpasswd FILE, or --read-only, or listen on 127.0.0.1",
    });
  }
  await aborted(signal);
  await server.close(GRACE_MS);
}

const GRACE_MS = 10_000;

/** Now rather than at the first push. */
async function checkStore(store: ImageStore, readOnly: boolean): Promise<void> {
  const paths = layoutPaths(store.dir);
  if (!readOnly) await ensureLayout(paths);
  else if (!(await checkLayout(paths))) {
    throw usageError("STORE_INVALID", `there is no image store in ${store.dir}`, {
      hint: "name the folder of one, or leave --read-only away to start an empty one",
    });
  }
  await store.names();
}

async function readTls(
  { cwd }: ServeRegistryDeps,
  { tlsCert, tlsKey }: ServeRegistryRequest,
): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    const missing = tlsCert === undefined ? "--tls-cert" : "--tls-key";
    throw usageError("TLS_INVALID", `${missing} is missing`, { hint: "https needs both, as PEM files" });
  }
  const cert = await readTextFile(tlsCert, { cwd, what: "--tls-cert" });
  return { cert, key: await readTextFile(tlsKey, { cwd, what: "--tls-key" }) };
}

function greeting(server: RegistryServer, { auth, readOnly }: ServeRegistryRequest, dir: string): string {
  const users = auth === undefined ? "anybody" : `users of ${auth.htpasswd}`;
  const pulls = auth?.anonymousPull === true ? "anybody may pull, " : "";
  const may = readOnly ? `${users} may pull` : `${pulls}${users} may push`;
  return `Serving ${dir} at ${server.url} as ${server.name}: ${may} (Ctrl-C ends it)`;
}

/** What to type next. */
function nextCommand({ name }: RegistryServer, { auth, readOnly }: ServeRegistryRequest): string {
  if (readOnly) return `wasme list --published -s ${name}`;
  return auth === undefined ? `wasme push ${name}/hello:v1` : `wasme login ${name}`;
}

function hintOf(error: unknown): { readonly hint?: string } {
  return error instanceof WasmeError && error.hint !== undefined ? { hint: error.hint } : {};
}
