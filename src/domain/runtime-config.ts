import { WasmeError } from "./errors.ts";
import { isObject, tryParseJson } from "./json.ts";

/**
 * `runtime-config.json` of an image: which proxy type and Proxy-Wasm ABIs the module is for, and its root ids.
 * Absent keys stay absent, so that writing what was read gives the same bytes (`docs/reference/runtime-config.md`).
 */
export interface RuntimeConfig {
  /** `envoy_proxy` is the only value in use. */
  readonly type?: string;
  readonly abiVersions?: readonly string[];
  readonly config?: { readonly rootIds?: readonly string[] };
}

/** What {@link parseRuntimeConfig} found: the config, and keys it did not know (told to the user, not an error). */
export interface ParsedRuntimeConfig {
  readonly config: RuntimeConfig;
  readonly unknownKeys: readonly string[];
}

/** More than any real file; a larger one is refused before it is parsed. Bytes. */
export const MAX_RUNTIME_CONFIG: number = 1024 * 1024;

/**
 * Reads runtime config text; snake_case spellings are accepted. `where` names the file in errors.
 * Throws `RUNTIME_CONFIG_INVALID` (usage) when it is not JSON or a key has the wrong type.
 */
export function parseRuntimeConfig(text: string, where: string): ParsedRuntimeConfig {
  const value = tryParseJson(text);
  if (!isObject(value)) throw invalid(where, "it is not a JSON object");
  const unknownKeys = Object.keys(value).filter((key) => !TOP_KEYS.has(key));
  const config: { -readonly [K in keyof RuntimeConfig]: RuntimeConfig[K] } = {};
  const type = value["type"];
  if (type !== undefined) {
    if (typeof type !== "string") throw invalid(where, '"type" must be a string');
    if (type !== "") config.type = type;
  }
  const abis = value["abiVersions"] ?? value["abi_versions"];
  if (abis !== undefined) config.abiVersions = strings(abis, where, "abiVersions");
  const inner = value["config"];
  if (inner !== undefined) {
    if (!isObject(inner)) throw invalid(where, '"config" must be an object');
    unknownKeys.push(
      ...Object.keys(inner)
        .filter((key) => !CONFIG_KEYS.has(key))
        .map((key) => `config.${key}`),
    );
    const roots = inner["rootIds"] ?? inner["root_ids"];
    config.config = roots === undefined ? {} : { rootIds: strings(roots, where, "config.rootIds") };
  }
  return { config, unknownKeys };
}

/**
 * The bytes stored in an image: compact, keys in fixed order `type, abiVersions, config.rootIds`, HTML characters
 * escaped as the old tool's Go encoder did, so equal configs have equal digests in both tools.
 */
export function formatRuntimeConfig(config: RuntimeConfig): Uint8Array {
  const ordered: Record<string, unknown> = {};
  if (config.type !== undefined && config.type !== "") ordered["type"] = config.type;
  if (config.abiVersions !== undefined) ordered["abiVersions"] = config.abiVersions;
  if (config.config !== undefined) {
    ordered["config"] = config.config.rootIds === undefined ? {} : { rootIds: config.config.rootIds };
  }
  return Buffer.from(escapeHtml(JSON.stringify(ordered)));
}

/** The root ids of a config, in order; the first is the default of `deploy`. */
export function rootIdsOf(config: RuntimeConfig | undefined): readonly string[] {
  return config?.config?.rootIds ?? [];
}

/** Go's `encoding/json` escapes these five in strings; JSON text has them nowhere else. */
export function escapeHtml(json: string): string {
  return json.replaceAll(/[<>&\u2028\u2029]/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const TOP_KEYS: ReadonlySet<string> = new Set(["type", "abiVersions", "abi_versions", "config"]);
const CONFIG_KEYS: ReadonlySet<string> = new Set(["rootIds", "root_ids"]);

function strings(value: unknown, where: string, key: string): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw invalid(where, `"${key}" must be a list of strings`);
}

function invalid(where: string, why: string): Error {
  return new WasmeError("usage", "RUNTIME_CONFIG_INVALID", `${where} is not a runtime config: ${why}`, {
    hint: 'it looks like {"type":"envoy_proxy","abiVersions":["v0.2.1"],"config":{"rootIds":["my_root"]}}',
  });
}
