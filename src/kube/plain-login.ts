import { readFile } from "node:fs/promises";
import { Agent as HttpAgent } from "node:http";
import { Agent, type AgentOptions } from "node:https";
import { isObject } from "../domain/json.ts";
import type { RawKubeconfig } from "./merge-kubeconfig.ts";
import { at, listAt, stringAt } from "./objects.ts";

/** How a cluster is reached and how one gets in. */
export interface Login {
  /** The server's address without trailing slash. */
  readonly server: string;
  readonly namespace: string;
  /** Reads files and asks plugins; names of headers in small letters. */
  authenticate(): Promise<{ readonly headers: Readonly<Record<string, string>>; readonly agent: HttpAgent }>;
}

/**
 * The way in by certificates, tokens, token files and passwords, which takes no library: what a pod has, and most
 * kubeconfigs. `undefined` for all else (plugins, OIDC, proxies, anything malformed or unknown), which is left to
 * `@kubernetes/client-node`. The document is one that `prepareKubeconfig` has seen.
 */
export function plainLogin(prepared: RawKubeconfig): Login | undefined {
  const context = at(named(prepared, "contexts", prepared["current-context"]), "context");
  const cluster = at(named(prepared, "clusters", at(context, "cluster")), "cluster");
  const user = at(named(prepared, "users", at(context, "user")), "user");
  if (!isWhole(prepared) || !knows(CLUSTER_FIELDS, cluster) || !knows(USER_FIELDS, user)) return undefined;
  if (isObject(user["auth-provider"]) && !isName(user["tokenFile"])) return undefined;
  const server = String(cluster["server"]).replace(/\/$/u, "");
  return {
    server,
    namespace: stringAt(context, "namespace") || "default",
    authenticate: async () => {
      const [headers, tls] = await Promise.all([headersOf(user), tlsOf(cluster, user)]);
      return { headers, agent: server.startsWith("http:") ? new HttpAgent(tls) : new Agent(tls) };
    },
  };
}

/** Nothing that is refused, also of the clusters that are not asked for: whoever refuses it says it better. */
function isWhole(config: RawKubeconfig): boolean {
  return (
    listAt(config, "clusters").every((entry) => isName(at(entry, "name")) && isName(at(entry, "cluster", "server"))) &&
    listAt(config, "users").every((entry) => isName(at(entry, "name"))) &&
    listAt(config, "contexts").every((entry) => isName(at(entry, "name")) && isName(at(entry, "context", "cluster")))
  );
}

async function headersOf(user: RawKubeconfig): Promise<Readonly<Record<string, string>>> {
  const { username, password, tokenFile, as } = user;
  const token = typeof tokenFile === "string" ? await readFile(tokenFile, "utf8") : user["token"];
  const pair = Buffer.from(`${textOf(username)}:${textOf(password)}`).toString("base64");
  const authorization = isName(token) ? `Bearer ${token}` : isName(username) ? `Basic ${pair}` : undefined;
  return {
    ...(authorization === undefined ? {} : { authorization }),
    ...(isName(as) ? { "impersonate-user": as } : {}),
  };
}

async function tlsOf(cluster: RawKubeconfig, user: RawKubeconfig): Promise<AgentOptions> {
  const [ca, cert, key] = await Promise.all([
    material(cluster, "certificate-authority"),
    material(user, "client-certificate"),
    material(user, "client-key"),
  ]);
  const servername = cluster["tls-server-name"];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(isName(servername) ? { servername } : {}),
    ...(cluster["insecure-skip-tls-verify"] === true ? { rejectUnauthorized: false } : {}),
  };
}

/** What stands in the document itself wins over a file, as for kubectl. */
async function material(from: RawKubeconfig, field: string): Promise<Buffer | undefined> {
  const data = from[`${field}-data`];
  if (isName(data)) return Buffer.from(data, "base64");
  const file = from[field];
  return isName(file) ? await readFile(file) : undefined;
}

/** Whether there is nothing in it but what is understood here. */
function knows(fields: Readonly<Record<string, string>>, body: unknown): body is RawKubeconfig {
  return (
    isObject(body) &&
    Object.entries(body).every(
      ([field, value]) => value === undefined || value === null || fields[field] === typeof value,
    )
  );
}

function named(config: RawKubeconfig, list: string, name: unknown): unknown {
  return listAt(config, list).find((entry) => at(entry, "name") === name);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

const CLUSTER_FIELDS: Readonly<Record<string, string>> = {
  server: "string",
  "certificate-authority": "string",
  "certificate-authority-data": "string",
  "insecure-skip-tls-verify": "boolean",
  "tls-server-name": "string",
  "disable-compression": "boolean",
  extensions: "object",
};
const USER_FIELDS: Readonly<Record<string, string>> = {
  "client-certificate": "string",
  "client-certificate-data": "string",
  "client-key": "string",
  "client-key-data": "string",
  token: "string",
  tokenFile: "string",
  // Made of `tokenFile` before we see it; of another sort it is no plain login.
  "auth-provider": "object",
  username: "string",
  password: "string",
  as: "string",
  "as-uid": "string",
  "as-groups": "object",
  "as-user-extra": "object",
  extensions: "object",
};
