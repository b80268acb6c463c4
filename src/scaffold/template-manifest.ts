import { didYouMean } from "../domain/did-you-mean.ts";
import { usageError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { isInside } from "./template-source.ts";

/** The file that makes a folder a template (`docs/guide/templates.md`). */
export const MANIFEST = "wasme-template.json";

/** What a template of somebody else's says about itself. */
export interface TemplateManifest {
  readonly name: string;
  /** Half a sentence. */
  readonly summary: string;
  /** One of {@link TEMPLATE_LANGUAGES}. */
  readonly language: string;
  /** Files and folders that are no part of a project made from it. */
  readonly leaveOut: readonly string[];
  /** What to do next, a few lines; shown as they stand. */
  readonly next: string | undefined;
}

/** Languages that a template can be in: those wasme builds. */
const TEMPLATE_LANGUAGES: readonly string[] = ["assemblyscript", "rust", "go", "tinygo", "cpp"];

/** Bytes. */
export const MAX_MANIFEST: number = 64 * 1024;

/** Reads a manifest. Throws `TEMPLATE_INVALID` (usage), naming the key; `where` names the file. */
export function parseManifest(text: string, where: string): TemplateManifest {
  const value = tryParseJson(text);
  if (!isObject(value)) throw invalid(where, "it is not a JSON object");
  for (const key of Object.keys(value)) {
    if (KEYS.includes(key)) continue;
    const guess = didYouMean(key, KEYS);
    throw invalid(
      where,
      `it has the unknown key ${JSON.stringify(key)}${guess === undefined ? "" : `; did you mean ${guess}?`}`,
    );
  }
  const language = line(value, "language", where);
  if (!TEMPLATE_LANGUAGES.includes(language)) {
    throw invalid(where, `"language" must be one of ${TEMPLATE_LANGUAGES.join(", ")}`);
  }
  return {
    name: line(value, "name", where),
    summary: value["summary"] === undefined ? "" : line(value, "summary", where),
    language,
    leaveOut: paths(value["leaveOut"], where),
    next: nextOf(value["next"], where),
  };
}

const KEYS: readonly string[] = ["name", "summary", "language", "leaveOut", "next"];

function line(value: Record<string, unknown>, key: string, where: string): string {
  const text = value[key];
  if (typeof text === "string" && text.trim() !== "" && text.length <= 200 && !/\p{Cc}/u.test(text)) return text;
  throw invalid(where, `${JSON.stringify(key)} ${text === undefined ? "is missing" : "must be a line of text"}`);
}

function paths(value: unknown, where: string): readonly string[] {
  if (value === undefined) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [undefined];
  return list.map((path) => {
    if (typeof path === "string" && isInside(path.replace(/\/$/u, ""))) return path.replace(/\/$/u, "");
    throw invalid(where, '"leaveOut" must be a list of files and folders in the template');
  });
}

/** Shown on a terminal: no escape sequences. */
function nextOf(value: unknown, where: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value.length <= 2000 && !/[^\P{Cc}\n]/u.test(value)) return value.trim();
  throw invalid(where, '"next" must be text, at most 2000 characters');
}

function invalid(where: string, why: string): Error {
  return usageError("TEMPLATE_INVALID", `cannot read ${where}: ${why}`, {
    hint: `{"name": "…", "summary": "…", "language": "rust", "leaveOut": ["docs"], "next": "…"}`,
  });
}
