import { existsSync } from "node:fs";
import type { MountSources } from "../domain/content.ts";
import type { EventSink } from "../domain/events.ts";
import type { Traffic } from "../domain/traffic.ts";
import { ignoreEvents } from "../domain/events.ts";
import { type ImageReference, formatReference } from "../domain/image-reference.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { Env } from "../platform/env.ts";
import { createHttpTransport, type HttpTransport } from "../platform/http-transport.ts";
import { observeTransport } from "./observed-transport.ts";
import { anonymous, type Credential, type CredentialSource } from "./credential.ts";
import type { RegistryConfig } from "./registry-config.ts";
import { pickTls } from "./registry-host.ts";
import { RemoteRepository, type Repository } from "./repository.ts";
import { RepositoryContext } from "./repository-context.ts";
import { Session, type SessionDeps } from "./session.ts";
import { Uploads } from "./uploads.ts";
import type { LoginCheck } from "./verify-login.ts";

/** How a registry client behaves. */
export interface RegistryClientOptions {
  /** Proxy variables and `NODE_EXTRA_CA_CERTS` are read from here. */
  readonly env: Env;
  /** Who we are; nobody when absent. */
  readonly credentials?: CredentialSource;
  readonly events?: EventSink;
  readonly clock?: Clock;
  /** Talk http to registries. Loopback names need no such leave. */
  readonly plainHttp?: boolean;
  /** Accept any certificate of a registry. */
  readonly insecure?: boolean;
  /** PEM file of authorities to trust beside the usual ones. */
  readonly caFile?: string;
  /** PEM files of a client certificate and its key, shown to registries and nobody else; both or none. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The user's settings of single registries (`registries.json`); it may be absent. */
  readonly configFile?: string;
  /** Uploads go in pieces of so many bytes. Default: as a whole, and in pieces where a registry wants that. */
  readonly chunkSize?: number;
  /** Most that all waits for one request may take together. Default 15 000 ms. */
  readonly retryBudgetMs?: number;
  /** Until a connection stands. Default 10 000 ms. */
  readonly connectTimeoutMs?: number;
  /** Longest silence of a server. Default 15 000 ms. */
  readonly idleTimeoutMs?: number;
  /** Default `wasme`. */
  readonly userAgent?: string;
  /** Another way to send requests; closed with the client. */
  readonly transport?: HttpTransport;
}

/** Talks to OCI registries (distribution spec 1.1). Connections, tokens and uploads are shared by its repositories. */
export interface RegistryClient {
  /**
   * The repository of a reference. `access` is what tokens are asked for at once: `push` before a push. `mountFrom` names
   * repositories of the same registry whose blobs may be mounted instead of uploaded.
   */
  repository(reference: ImageReference, access?: "pull" | "push", mountFrom?: MountSources): Repository;
  /** Names of all repositories of a registry; `undefined` when it does not tell them. */
  catalog(host: string, signal?: AbortSignal): Promise<readonly string[] | undefined>;
  /** Tries a credential on a registry; see {@link verifyLogin}. */
  verifyLogin(host: string, credential: Credential, signal?: AbortSignal): Promise<LoginCheck>;
  /** True when the registry wanted to know who reads this repository, and was told. */
  handedOver(reference: ImageReference): boolean;
  /** What was sent so far. */
  traffic(): Traffic;
  /** Ends its connections. */
  close(): void;
}

const BUDGET_MS = 15_000;
const IDLE_MS = 15_000;

/** Makes a client. Nothing is sent yet. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const transport = observeTransport(options.transport ?? defaultTransport(options), options.events ?? ignoreEvents);
  const told = new Set<string>();
  const base = sessionDeps(options);
  const credentials: CredentialSource = async (host, repository) => {
    const credential = await base.credentials(host, repository);
    if (credential !== undefined) told.add(`${host}/${repository ?? ""}`);
    return credential;
  };
  const deps = { ...base, transport, credentials };
  const sessions = new Map<string, Session>();
  const uploads = new Uploads();
  const sessionFor = (host: string): Session => {
    const session = sessions.get(host) ?? new Session(host, deps);
    sessions.set(host, session);
    return session;
  };
  return {
    repository: (reference, access = "pull", mountFrom = () => []) => {
      const name = formatReference(reference).slice(reference.host.length + 1);
      const names = { repository: reference.repository, name };
      return new RemoteRepository(
        new RepositoryContext(sessionFor(reference.host), { ...names, mountFrom }, access),
        uploads,
      );
    },
    catalog: async (host, signal) => {
      const { listCatalog } = await import("./catalog.ts");
      return listCatalog(sessionFor(host), signal);
    },
    verifyLogin: async (host, credential, signal) => {
      const { verifyLogin } = await import("./verify-login.ts");
      return verifyLogin(host, credential, deps, signal);
    },
    handedOver: ({ host, repository }) => told.has(`${host}/${repository}`),
    traffic: () => transport.traffic(),
    close: () => transport.close(),
  };
}

function defaultTransport({ env, connectTimeoutMs, idleTimeoutMs = IDLE_MS }: RegistryClientOptions): HttpTransport {
  return createHttpTransport({ env, idleTimeoutMs, ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }) });
}

function sessionDeps(options: RegistryClientOptions): Omit<SessionDeps, "transport"> {
  return {
    credentials: options.credentials ?? anonymous,
    clock: options.clock ?? systemClock,
    events: options.events ?? ignoreEvents,
    plainHttp: options.plainHttp ?? false,
    tls: pickTls(options),
    config: configReader(options.configFile),
    chunkSize: options.chunkSize,
    retryBudgetMs: options.retryBudgetMs ?? BUDGET_MS,
    idleTimeoutMs: options.idleTimeoutMs ?? IDLE_MS,
    userAgent: options.userAgent ?? "wasme",
  };
}

/** Reads the file once. Mostly there is none: then not even its reader is loaded. */
function configReader(file: string | undefined): () => Promise<RegistryConfig> {
  let config: Promise<RegistryConfig> | undefined;
  const read = async (path: string): Promise<RegistryConfig> => {
    if (!existsSync(path)) return new Map();
    const { readRegistryConfig } = await import("./registry-config.ts");
    return readRegistryConfig(path);
  };
  return () => (config ??= file === undefined ? Promise.resolve(new Map()) : read(file));
}
