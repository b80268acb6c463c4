import { usageError } from "./errors.ts";
import { isObject, type Json, type JsonObject, tryParseJson } from "./json.ts";

/** The file that holds the schema, beside the runtime config. */
export const CONFIG_SCHEMA_FILE = "config.schema.json";

/** The manifest annotation in which the schema travels, as compact JSON. */
export const CONFIG_SCHEMA_ANNOTATION = "wasme.io/config-schema";

/** Most that an image carries: bytes of the compact JSON. Registries limit manifests to 4 MiB. */
export const MAX_CONFIG_SCHEMA: number = 64 * 1024;

/** What a filter's plugin configuration may be: JSON Schema 2020-12, checked by {@link parseConfigSchema}. */
export interface ConfigSchema {
  readonly schema: JsonObject;
  /** As compact JSON. */
  readonly text: string;
}

/**
 * Reads a schema; `where` names the file or image in messages. It must be one JSON object of at most 64 KiB in itself:
 * references to other documents are refused, nothing is ever fetched. Throws `CONFIG_SCHEMA_INVALID` (usage).
 */
export function parseConfigSchema(text: string, where: string): ConfigSchema {
  const parsed = tryParseJson(text);
  if (!isObject(parsed)) throw invalid(where, "it is not a JSON object");
  const schema = parsed as JsonObject;
  const compact = JSON.stringify(schema);
  const size = new TextEncoder().encode(compact).byteLength;
  if (size > MAX_CONFIG_SCHEMA) throw invalid(where, `it has ${size} bytes as compact JSON, more than 65536`);
  const problem = firstProblem(schema, "");
  if (problem !== undefined) throw invalid(where, problem);
  return { schema, text: compact };
}

/** What is wrong with a schema or one below it; only what would be misread in silence is looked for. */
function firstProblem(schema: Json, path: string): string | undefined {
  if (typeof schema === "boolean") return undefined;
  if (!isObject(schema)) return `${path || "/"} is neither an object nor true or false`;
  for (const [key, value] of Object.entries(schema)) {
    const problem = keywordProblem(key, value, `${path}/${key}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function keywordProblem(key: string, value: Json, path: string): string | undefined {
  const wanted = WANTED.get(key);
  if (wanted !== undefined) return wanted.fits(value) ? undefined : `${path} ${wanted.else}: ${JSON.stringify(value)}`;
  if (key === "pattern") return patternProblem(value, path);
  if (REFERENCES.has(key)) return isLocal(value) ? undefined : `${path} refers to another document`;
  if (ONE.has(key)) return firstProblem(value, path);
  if (MANY.has(key)) {
    if (!Array.isArray(value)) return `${path} is not a list of schemas`;
    return first(value.map((item: Json, index) => firstProblem(item, `${path}/${index}`)));
  }
  if (!NAMED.has(key)) return undefined;
  if (!isObject(value)) return `${path} is not an object of schemas`;
  const entries = Object.entries(value);
  const names = key === "patternProperties" ? entries.map(([name]) => patternProblem(name, path)) : [];
  return first([...names, ...entries.map(([name, item]) => firstProblem(item, `${path}/${name}`))]);
}

function isNames(value: Json): boolean {
  return Array.isArray(value) && value.every((name: Json) => typeof name === "string");
}

function isId(value: Json): boolean {
  return typeof value === "string" && URL.canParse(value, "https://example.com/");
}

function isLocal(reference: Json): boolean {
  return typeof reference === "string" && reference.startsWith("#");
}

function isType(value: Json): boolean {
  const names: readonly Json[] = Array.isArray(value) ? value : [value];
  return names.length > 0 && names.every((name) => typeof name === "string" && TYPES.has(name));
}

function patternProblem(value: Json, path: string): string | undefined {
  try {
    if (typeof value === "string" && new RegExp(value, "u") instanceof RegExp) return undefined;
  } catch {
    // Told below.
  }
  return `${path} is no regular expression: ${JSON.stringify(value)}`;
}

function first(problems: readonly (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined);
}

function invalid(where: string, why: string): Error {
  return usageError("CONFIG_SCHEMA_INVALID", `${where} is no schema of a plugin configuration: ${why}`, {
    hint: "it takes JSON Schema 2020-12 in one document: https://json-schema.org/draft/2020-12",
  });
}

/** What validators take for granted. */
const WANTED: ReadonlyMap<string, { readonly fits: (value: Json) => boolean; readonly else: string }> = new Map([
  ["type", { fits: isType, else: "is no type" }],
  ["required", { fits: isNames, else: "is no list of names" }],
  ["enum", { fits: (value: Json) => Array.isArray(value), else: "is no list" }],
  ["$id", { fits: isId, else: "is no URI" }],
]);
const TYPES: ReadonlySet<string> = new Set(["null", "boolean", "object", "array", "number", "integer", "string"]);
const REFERENCES: ReadonlySet<string> = new Set(["$ref", "$dynamicRef", "$recursiveRef"]);
const ONE: ReadonlySet<string> = new Set([
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
  "items",
  "unevaluatedItems",
  "contains",
  "not",
  "if",
  "then",
  "else",
]);
const MANY: ReadonlySet<string> = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);
const NAMED: ReadonlySet<string> = new Set(["properties", "patternProperties", "dependentSchemas", "$defs"]);
