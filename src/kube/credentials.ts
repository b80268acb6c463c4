import type { Agent as HttpAgent } from "node:http";
import type { RequestOptions } from "node:https";
import { messageOf, usageError, WasmeError } from "../domain/errors.ts";
import type { Env } from "../platform/env.ts";
import type { RawKubeconfig } from "./merge-kubeconfig.ts";
import { impersonationHeaders } from "./impersonation.ts";
import { type Login, plainLogin } from "./plain-login.ts";
import { prepareKubeconfig } from "./prepare-kubeconfig.ts";

/** What a request needs to be let in. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /**
   * Keeps connections; the same one until the TLS material changes. It opens as many as are asked for: each watch holds
   * one for ever, and whoever needs less than others can take sees to that itself.
   */
  readonly agent: HttpAgent;
}

/** Gives credentials, and forgets them when the server no longer takes them. */
export interface CredentialSource {
  /** The server's address without trailing slash. */
  readonly server: string;
  readonly namespace: string;
  get(): Promise<Credentials>;
  /** Drops what is cached, so that an exec plugin or token file is asked again. */
  forget(): void;
  close(): void;
}

/** How long headers are used before files and plugins are asked again. Milliseconds. */
const FRESH_MS = 60_000;

/**
 * Credentials by what a kubeconfig says: client certificates, tokens, token files and passwords by ourselves, the rest
 * (exec plugins, OIDC, proxies) by `@kubernetes/client-node`, which is loaded for that alone. One agent is kept, so that
 * connections are. `elapsed` is a steady clock's: one that somebody sets back would keep a token for as long.
 * Throws `KUBECONFIG_INVALID` (usage) and `KUBE_CREDENTIALS` (unauthorised) when a file or a plugin fails.
 */
export async function openCredentials(raw: RawKubeconfig, env: Env, elapsed: () => number): Promise<CredentialSource> {
  const prepared = prepareKubeconfig(raw, env);
  const impersonated = impersonationHeaders(raw);
  const open = async (): Promise<Login> => {
    const plain = plainLogin(prepared);
    if (plain !== undefined) return plain;
    const { libraryLogin } = await import("./library-login.ts");
    return await libraryLogin(prepared);
  };
  let login: Promise<Login> | Login = await open();
  const { server, namespace } = login;
  checkServer(server);
  const agents = new AgentKeeper();
  let cached: { readonly credentials: Promise<Credentials>; readonly until: number } | undefined;
  return {
    server,
    namespace,
    get: () => {
      if (cached === undefined || cached.until <= elapsed()) {
        const found = authenticate(login, agents);
        const credentials = found.then((own) => ({ ...own, headers: { ...own.headers, ...impersonated } }));
        const fresh = { credentials, until: elapsed() + FRESH_MS };
        cached = fresh;
        // A token file that is being replaced is there again the next moment.
        credentials.catch(() => {
          if (cached === fresh) cached = undefined;
        });
      }
      return cached.credentials;
    },
    forget: () => {
      cached = undefined;
      // The library keeps tokens of its own.
      login = open();
    },
    close: () => agents.close(),
  };
}

async function authenticate(login: Promise<Login> | Login, agents: AgentKeeper): Promise<Credentials> {
  try {
    const { headers, agent } = await (await login).authenticate();
    // Token files of other makers than the kubelet end in a newline, which no header may hold.
    const trimmed = Object.entries(headers).map(([name, value]) => [name, value.trim()]);
    return { headers: Object.fromEntries(trimmed) as Record<string, string>, agent: agents.keep(agent) };
  } catch (error) {
    throw new WasmeError(
      "unauthorised",
      "KUBE_CREDENTIALS",
      `cannot get credentials for the cluster: ${oneLine(error)}`,
      {
        hint: "kubectl auth whoami runs the same login",
        cause: error,
      },
    );
  }
}

/** Keeps the first agent of each set of TLS options; certificates of exec plugins rotate, so there may be a second. */
class AgentKeeper {
  #current: { readonly key: string; readonly agent: HttpAgent } | undefined;
  /** Agents of older certificates, with requests that are still under way. */
  readonly #leaving = new Set<HttpAgent>();

  keep(agent: HttpAgent): HttpAgent {
    const options = (agent as HttpAgent & { options?: RequestOptions }).options ?? {};
    const key = JSON.stringify([options.ca, options.cert, options.key, options.servername].map(String));
    if (this.#current?.key === key) return this.#current.agent;
    for (const old of this.#leaving) if (Object.keys(old.sockets).length === 0) this.#leaving.delete(old);
    if (this.#current !== undefined) this.#leave(this.#current.agent);
    Object.assign(agent, { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
    this.#current = { key, agent };
    return agent;
  }

  close(): void {
    for (const old of this.#leaving) old.destroy();
    this.#leaving.clear();
    this.#current?.agent.destroy();
    this.#current = undefined;
  }

  /** Its requests end as they would have; no connection is kept afterwards. */
  #leave(agent: HttpAgent): void {
    Object.assign(agent, { keepAlive: false });
    for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    this.#leaving.add(agent);
  }
}

function checkServer(server: string): void {
  if (/^https?:\/\/[^/]/u.test(server) && URL.canParse(server)) return;
  throw usageError(
    "KUBECONFIG_INVALID",
    `the kubeconfig's server ${JSON.stringify(server)} is not an http or https address`,
  );
}

function oneLine(error: unknown): string {
  return messageOf(error).trim().split("\n", 1)[0] ?? "";
}
