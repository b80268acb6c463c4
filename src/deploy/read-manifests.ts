import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { errnoOf, messageOf, usageError, type WasmeError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { isKubeObject, type KubeObject } from "../kube/objects.ts";

/** The objects of one manifest file, in order; a `List` counts as its items. */
export interface Manifest {
  /** As the user named it, `-` for stdin. */
  readonly name: string;
  readonly objects: readonly KubeObject[];
}

/** What reading manifests needs of the outside. */
export interface ManifestDeps {
  readonly cwd: string;
  readonly readStdin: () => Promise<string>;
}

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_FILES = 2000;
const MAX_DOCUMENTS = 20_000;
/** Aliases may repeat this much before a text counts as a bomb. */
const MAX_ALIASES = 100;
const EXTENSIONS: ReadonlySet<string> = new Set([".yaml", ".yml", ".json"]);

/**
 * Reads YAML or JSON manifests: files, folders (their own files, not deeper, as kubectl does) and `-` for stdin.
 * Throws `MANIFEST_MISSING` and `MANIFEST_INVALID` (usage), which name file and line.
 */
export async function readManifests(deps: ManifestDeps, sources: readonly string[]): Promise<readonly Manifest[]> {
  const manifests: Manifest[] = [];
  for (const source of sources) {
    const files = source === "-" ? [source] : await filesOf(deps.cwd, source);
    for (const name of files) {
      const text = name === "-" ? await deps.readStdin() : await readText(resolve(deps.cwd, name), name);
      manifests.push({ name, objects: await parseManifest(text, name) });
    }
  }
  return manifests;
}

/** The objects in a text of YAML documents. Throws `MANIFEST_INVALID`. */
export async function parseManifest(text: string, name: string): Promise<readonly KubeObject[]> {
  if (Buffer.byteLength(text) > MAX_BYTES) throw invalid(name, "it is larger than 16 MiB");
  const { parseAllDocuments } = await import("yaml");
  // YAML 1.1 reads `on` and `010` as kubectl does.
  const documents = parseAllDocuments(text, { version: "1.1", merge: true, prettyErrors: true });
  if (!Array.isArray(documents)) return [];
  if (documents.length > MAX_DOCUMENTS) throw invalid(name, `it holds more than ${MAX_DOCUMENTS} documents`);
  return documents.flatMap((document, index) => {
    const [error] = document.errors;
    if (error !== undefined) throw invalid(name, firstLine(error.message), error);
    return objectsOf(toValue(document, name), `${name} (document ${index + 1})`);
  });
}

function toValue(document: { toJS(options: { maxAliasCount: number }): unknown }, name: string): unknown {
  try {
    const value = document.toJS({ maxAliasCount: MAX_ALIASES });
    JSON.stringify(value); // throws for an anchor that holds itself
    return value;
  } catch (error) {
    throw invalid(name, firstLine(messageOf(error)), error);
  }
}

function objectsOf(value: unknown, where: string): readonly KubeObject[] {
  if (value === null || value === undefined) return [];
  if (isObject(value) && Array.isArray(value["items"]) && String(value["kind"]).endsWith("List")) {
    const own = itemType(value);
    return value["items"].flatMap((item: unknown) => objectsOf(isObject(item) ? { ...own, ...item } : item, where));
  }
  if (isKubeObject(value) && typeof value.metadata.name !== "string") throw invalid(where, "it has no metadata.name");
  if (isKubeObject(value)) return [value];
  throw invalid(where, "it is not a Kubernetes object: apiVersion, kind or metadata is missing");
}

/** Items of a typed list, as the API server gives them, may leave out what the list says: `DeploymentList`. */
function itemType(list: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const kind = String(list["kind"]).replace(/List$/u, "");
  return kind === "" ? {} : { apiVersion: list["apiVersion"], kind };
}

async function filesOf(cwd: string, source: string): Promise<readonly string[]> {
  const path = resolve(cwd, source);
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(source, error);
  });
  if (!found.isDirectory()) return [source];
  const names = (await readdir(path)).filter((name) => EXTENSIONS.has(extname(name))).toSorted();
  if (names.length > MAX_FILES) throw invalid(source, `it holds more than ${MAX_FILES} manifests`);
  if (names.length > 0) return names.map((name) => join(source, name));
  throw usageError("MANIFEST_MISSING", `the folder ${source} holds no .yaml, .yml or .json file`);
}

async function readText(path: string, name: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_BYTES) throw invalid(name, "it is larger than 16 MiB");
  return readFile(path, "utf8").catch((error: unknown) => {
    throw unreadable(name, error);
  });
}

function unreadable(name: string, error: unknown): WasmeError {
  const code = errnoOf(error);
  if (code === "ENOENT") {
    const hint = /^https?:\/\//u.test(name) ? `curl -fsSL ${name} | wasme deploy istio … -f -` : undefined;
    return usageError("MANIFEST_MISSING", `there is no manifest ${name}`, {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
  return usageError("MANIFEST_INVALID", `the manifest ${name} cannot be read (${code ?? "unknown"})`, { cause: error });
}

function invalid(name: string, why: string, cause?: unknown): WasmeError {
  return usageError("MANIFEST_INVALID", `the manifest ${name} is broken: ${why}`, cause === undefined ? {} : { cause });
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.replace(/:$/u, "") ?? "";
}
