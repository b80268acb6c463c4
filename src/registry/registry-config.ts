import { dirname, resolve } from "node:path";
import { parseByteSize } from "../domain/byte-size.ts";
import { errnoOf, usageError } from "../domain/errors.ts";
import { parseRegistryHost } from "../domain/image-reference.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { readAtMost } from "../platform/read-file.ts";
import type { Quirks } from "./quirks.ts";

/** What the user's file says about one registry; it holds for that very host and no other. Paths are absolute. */
export interface RegistrySettings extends Partial<Quirks> {
  readonly plainHttp?: boolean;
  readonly insecure?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Settings by host, as hosts stand in image references. */
export type RegistryConfig = ReadonlyMap<string, RegistrySettings>;

/** Bytes; a file of this size names thousands of registries. */
const MAX_FILE = 1024 * 1024;

/**
 * Reads `registries.json`; a file that is not there says nothing. Throws `REGISTRY_CONFIG_INVALID` (usage) for a file
 * that cannot be read and for every key and value that is not documented.
 */
export async function readRegistryConfig(file: string): Promise<RegistryConfig> {
  const text = await readText(file);
  if (text === undefined) return new Map();
  const root = tryParseJson(text);
  if (!isObject(root)) throw invalid(file, "it is not a JSON object", { hint: EXAMPLE });
  for (const key of Object.keys(root)) {
    if (key !== "registries") throw invalid(file, `unknown key ${JSON.stringify(key)}`, { hint: EXAMPLE });
  }
  const registries = root["registries"] ?? {};
  if (!isObject(registries)) throw invalid(file, '"registries" is not an object', { hint: EXAMPLE });
  const config = new Map<string, RegistrySettings>();
  for (const [host, value] of Object.entries(registries)) {
    config.set(readHost(file, host), readSettings({ file, at: `registries[${JSON.stringify(host)}]` }, value));
  }
  return config;
}

async function readText(file: string): Promise<string | undefined> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAtMost(file, MAX_FILE);
  } catch (error) {
    const code = errnoOf(error) ?? "";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const why = UNREADABLE[code];
    if (why === undefined) throw error;
    throw invalid(file, why, { cause: error });
  }
  if (bytes === undefined) throw invalid(file, `it has more than ${MAX_FILE} bytes`);
  return new TextDecoder().decode(bytes);
}

const UNREADABLE: Readonly<Record<string, string>> = {
  EACCES: "it may not be read",
  EPERM: "it may not be read",
  EISDIR: "it is a folder",
};

function readHost(file: string, host: string): string {
  try {
    if (!host.includes("/")) return parseRegistryHost(host);
  } catch {
    // said below, with the file
  }
  const hint = "write it as in image references: ghcr.io, localhost:5000";
  throw invalid(file, `${JSON.stringify(host)} is not a registry host`, { hint });
}

interface Place {
  readonly file: string;
  /** Which value, for messages. */
  readonly at: string;
}

function readSettings(place: Place, value: unknown): RegistrySettings {
  if (!isObject(value)) throw invalid(place.file, `${place.at} is not an object`, { hint: EXAMPLE });
  const settings: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    const at = `${place.at}.${key}`;
    const reader = READERS.get(key);
    if (reader === undefined) {
      throw invalid(place.file, `unknown key ${at}`, { hint: `known are ${[...READERS.keys()].join(", ")}` });
    }
    const read = reader.read(each, place.file);
    if (read === undefined) throw invalid(place.file, `${at} is not ${reader.wanted}`);
    settings[key] = read;
  }
  checkTogether(place, settings);
  return settings;
}

function checkTogether({ file, at }: Place, settings: RegistrySettings): void {
  if ((settings.certFile === undefined) !== (settings.keyFile === undefined)) {
    throw invalid(file, `${at} needs both certFile and keyFile, or neither`);
  }
  if ((settings.minChunkSize ?? 1) > (settings.maxChunkSize ?? Number.POSITIVE_INFINITY)) {
    throw invalid(file, `${at}.minChunkSize is larger than maxChunkSize`);
  }
}

/** Reads one value; `undefined` when it is not what is wanted. */
interface Reader {
  readonly wanted: string;
  read(value: unknown, file: string): unknown;
}

const bool: Reader = {
  wanted: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
};

const path: Reader = {
  wanted: "the path of a file",
  read: (value, file) => (typeof value === "string" && value !== "" ? resolve(dirname(file), value) : undefined),
};

const size: Reader = {
  wanted: 'a size such as "8MiB"',
  read: (value) => {
    const bytes = typeof value === "number" || typeof value === "string" ? parseByteSize(String(value)) : undefined;
    return bytes === undefined || bytes < 1 ? undefined : bytes;
  },
};

const count: Reader = {
  wanted: "a whole number above 0",
  read: (value) => (Number.isSafeInteger(value) && Number(value) > 0 ? value : undefined),
};

function oneOf(...choices: readonly string[]): Reader {
  return {
    wanted: `one of ${choices.join(", ")}`,
    read: (value) => choices.find((choice) => choice === value),
  };
}

const READERS: ReadonlyMap<string, Reader> = new Map([
  ["plainHttp", bool],
  ["insecure", bool],
  ["caFile", path],
  ["certFile", path],
  ["keyFile", path],
  ["upload", oneOf("auto", "single", "chunked")],
  ["chunkSize", size],
  ["minChunkSize", size],
  ["maxChunkSize", size],
  ["trustRange", bool],
  ["mount", bool],
  ["referrers", oneOf("api", "tag", "probe")],
  ["tagPageSize", count],
] satisfies readonly (readonly [keyof RegistrySettings, Reader])[]);

const EXAMPLE = 'write it like {"registries": {"registry.example.com": {"caFile": "ca.pem"}}}';

function invalid(file: string, why: string, options?: { readonly hint?: string; readonly cause?: unknown }): Error {
  return usageError("REGISTRY_CONFIG_INVALID", `cannot use ${file}: ${why}`, options);
}
