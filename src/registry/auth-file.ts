import { errnoOf, usageError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { readAtMost } from "../platform/read-file.ts";
import { parseAuthEntry } from "./auth-entry.ts";
import type { Credential } from "./credential.ts";

/** A file in the form of Docker's `config.json`, as far as it is about credentials. */
export interface AuthFile {
  /** Its path, or the variable that holds it: for messages. */
  readonly where: string;
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
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAtMost(path, MAX_FILE);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw usageError("AUTH_FILE_INVALID", `cannot read the credentials in ${path}: ${code ?? "unknown error"}`, {
      hint: "check who owns the file and its mode",
      cause: error,
    });
  }
  if (bytes !== undefined) return parseAuthFile(Buffer.from(bytes).toString("utf8"), path);
  throw usageError("AUTH_FILE_INVALID", `cannot read the credentials in ${path}: it has more than ${MAX_FILE} bytes`);
}

/** Far more than anybody's. Bytes. */
const MAX_FILE = 4 * 1024 * 1024;

/**
 * Reads a file somebody named: it must be there. Once: it may be a pipe. Throws `AUTH_FILE_INVALID` (usage).
 */
export async function readNamedAuthFile(path: string): Promise<AuthFile> {
  const found = await readAuthFile(path);
  if (found !== undefined) return found;
  throw usageError("AUTH_FILE_INVALID", `cannot read the credentials in ${path}: no such file`);
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
    where,
    raw,
    auths: isObject(auths) ? auths : {},
    credHelpers: isObject(credHelpers) ? credHelpers : {},
    credsStore: typeof credsStore === "string" && credsStore !== "" ? credsStore : undefined,
  };
}

/**
 * The credential of a host in `auths`. Keys may be URLs and, in containers' files, paths: the most specific one that
 * holds the repository wins. Hosts must be equal, ports included; a part of a name is never enough. An entry that is
 * meant and cannot be read is `AUTH_FILE_INVALID` (usage): going on as nobody would hide it.
 */
export function findAuth({ auths, where }: AuthFile, host: string, repository = ""): Credential | undefined {
  const wanted = hostKey(host);
  let best: { readonly path: string; readonly entry: Credential | "damaged" } | undefined;
  for (const [key, value] of Object.entries(auths)) {
    const { host: name, path } = splitKey(key);
    if (name !== wanted || !covers(path, repository)) continue;
    const entry = parseAuthEntry(value);
    if (entry !== undefined && (best === undefined || path.length > best.path.length)) best = { path, entry };
  }
  if (best?.entry !== "damaged") return best && { ...best.entry, source: where };
  const message = `cannot read the credentials for ${host} in ${where}: "auth" is not user:password in base64`;
  throw usageError("AUTH_FILE_INVALID", message, { hint: `correct ${where}, or log in again: wasme login ${host}` });
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
