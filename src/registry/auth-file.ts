import { readFile } from "node:fs/promises";
import { errnoOf, usageError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { parseAuthEntry } from "./auth-entry.ts";
import type { Credential } from "./credential.ts";

/** A file in the form of Docker's `config.json`, as far as it is about credentials. */
export interface AuthFile {
  /** As it is, with everything in it. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly auths: Readonly<Record<string, unknown>>;
  /** Helper by host. */
  readonly credHelpers: Readonly<Record<string, unknown>>;
  /** Helper for all other hosts. */
  readonly credsStore: string | undefined;
}

const HUB = "docker.io";
const HUB_NAMES: ReadonlySet<string> = new Set([
  HUB,
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
]);

/** Reads such a file; `undefined` when there is none. Throws `AUTH_FILE_INVALID` (usage) for one that is no JSON object. */
export async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw usageError("AUTH_FILE_INVALID", `cannot read the credentials in ${path}: ${code ?? "unknown error"}`, {
      hint: "check who owns the file and its mode",
      cause: error,
    });
  }
  return parseAuthFile(text, path);
}

/** Parses the text of such a file; an empty one is like `{}`. Throws `AUTH_FILE_INVALID` (usage). */
export function parseAuthFile(text: string, where: string): AuthFile {
  const raw = text.trim() === "" ? {} : tryParseJson(text.replace(/^\uFEFF/u, ""));
  if (!isObject(raw)) {
    throw usageError("AUTH_FILE_INVALID", `cannot read the credentials in ${where}: it is not a JSON object`, {
      hint: `correct ${where}, or move it away and log in again`,
    });
  }
  const { auths, credHelpers, credsStore } = raw;
  return {
    raw,
    auths: isObject(auths) ? auths : {},
    credHelpers: isObject(credHelpers) ? credHelpers : {},
    credsStore: typeof credsStore === "string" && credsStore !== "" ? credsStore : undefined,
  };
}

/**
 * The credential of a host in `auths`. Keys may be URLs and, in containers' files, paths: the most specific one that
 * holds the repository wins. Hosts must be equal, ports included; a part of a name is never enough.
 */
export function findAuth(
  auths: Readonly<Record<string, unknown>>,
  host: string,
  repository = "",
): Credential | undefined {
  const wanted = hostKey(host);
  let best: { readonly path: string; readonly credential: Credential } | undefined;
  for (const [key, value] of Object.entries(auths)) {
    const { host: name, path } = splitKey(key);
    if (name !== wanted || !covers(path, repository)) continue;
    const credential = parseAuthEntry(value);
    if (credential !== undefined && (best === undefined || path.length > best.path.length)) best = { path, credential };
  }
  return best?.credential;
}

/** The keys of an object that name this host, whatever way they are written. */
export function keysOf(object: Readonly<Record<string, unknown>>, host: string): readonly string[] {
  return Object.keys(object).filter((key) => {
    const { host: name, path } = splitKey(key);
    return name === hostKey(host) && path === "";
  });
}

/** `https://index.docker.io/v1/` names the Hub, `https://HOST/v2/` a host; elsewhere a path is part of the key. */
function splitKey(key: string): { readonly host: string; readonly path: string } {
  const isUrl = /^https?:\/\//iu.test(key);
  const bare = key.replace(/^https?:\/\//iu, "").replace(/\/+$/u, "");
  const slash = bare.indexOf("/");
  const host = slash === -1 ? bare : bare.slice(0, slash);
  const path = slash === -1 ? "" : bare.slice(slash + 1);
  const isApi = path === "v1" || path === "v2";
  return { host: hostKey(host), path: isUrl || isApi ? "" : path };
}

function hostKey(host: string): string {
  const lower = host.toLowerCase();
  return HUB_NAMES.has(lower) ? HUB : lower;
}

function covers(path: string, repository: string): boolean {
  return path === "" || repository === path || repository.startsWith(`${path}/`);
}
