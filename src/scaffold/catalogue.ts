import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { didYouMean } from "../domain/did-you-mean.ts";
import { usageError } from "../domain/errors.ts";

/** One starter filter: folders of files under `templates/`, laid over each other. */
export interface Template {
  readonly name: string;
  /** What the filter does, half a sentence. */
  readonly summary: string;
  /** Absolute; what the language's templates share first, a file of a later folder wins. */
  readonly folders: readonly string[];
}

/** A language a filter can be started in, as `init --language` names it; its first template is the default. */
export interface Language {
  readonly name: string;
  /** As prompts show it. */
  readonly title: string;
  readonly templates: readonly [Template, ...Template[]];
}

/** Where the templates that ship with wasme are: the same place seen from `src/` and from `dist/`. */
export const TEMPLATES: string = fileURLToPath(new URL("../../templates/", import.meta.url));

/**
 * Reads `catalogue.json` of a templates folder. Languages and templates come in the order they are offered;
 * what is not in the file is not offered anywhere.
 */
export async function loadCatalogue(folder: string = TEMPLATES): Promise<readonly Language[]> {
  const file = join(folder, "catalogue.json");
  const { languages } = JSON.parse(await readFile(file, "utf8")) as { readonly languages: readonly Language[] };
  return languages.map((language) => {
    const [first, ...rest] = language.templates.map((entry) => ({
      ...entry,
      folders: entry.folders.map((part) => join(dirname(file), part)),
    }));
    if (first === undefined) throw new TypeError(`${file} has no template for ${language.name}`);
    return { ...language, templates: [first, ...rest] };
  });
}

/**
 * The languages that have a template of that name. Throws `TEMPLATE_UNKNOWN` (usage) when none has, listing what there
 * is.
 */
export function languagesWith(catalogue: readonly Language[], template: string): readonly [Language, ...Language[]] {
  const [first, ...rest] = catalogue.filter(({ templates }) => templates.some(isCalled(template)));
  if (first !== undefined) return [first, ...rest];
  const all = new Map(catalogue.flatMap(({ templates }) => templates.map((item) => [item.name, item] as const)));
  throw unknown("TEMPLATE_UNKNOWN", `there is no template ${JSON.stringify(template)}`, template, [...all.values()]);
}

/** The language of that name. Throws `LANGUAGE_UNKNOWN` (usage), listing what there is. */
export function findLanguage(catalogue: readonly Language[], name: string): Language {
  const found = catalogue.find((language) => language.name === name.toLowerCase());
  if (found !== undefined) return found;
  const meant = OTHER_NAMES[name.toLowerCase()] ?? name;
  throw unknown("LANGUAGE_UNKNOWN", `there is no template for the language ${JSON.stringify(name)}`, meant, catalogue);
}

/** What people call them elsewhere. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "c++": "cpp",
  cxx: "cpp",
  cc: "cpp",
  golang: "go",
  rs: "rust",
  as: "assemblyscript",
  ts: "assemblyscript",
  typescript: "assemblyscript",
};

/**
 * A template of the language, its first one when no name is given. Throws `TEMPLATE_UNKNOWN` (usage), naming languages of
 * the catalogue that have it.
 */
export function findTemplate(
  language: Language,
  name: string | undefined,
  catalogue: readonly Language[] = [],
): Template {
  if (name === undefined) return language.templates[0];
  const found = language.templates.find(isCalled(name));
  if (found !== undefined) return found;
  const problem = `${language.name} has no template ${JSON.stringify(name)}`;
  const elsewhere = catalogue.filter(({ templates }) => templates.some(isCalled(name)));
  if (elsewhere.length === 0) throw unknown("TEMPLATE_UNKNOWN", problem, name, language.templates);
  throw usageError("TEMPLATE_UNKNOWN", problem, {
    hint: `pass --language ${elsewhere.map((other) => other.name).join("|")}, or choose from: ${listOf(language.templates)}`,
  });
}

function isCalled(name: string): (template: Template) => boolean {
  return (template) => template.name === name.toLowerCase();
}

function unknown(code: string, problem: string, asked: string, there: readonly { readonly name: string }[]): Error {
  const names = there.map((item) => item.name);
  const guess = didYouMean(asked, names);
  const list = `choose from: ${listOf(there)}`;
  return usageError(code, problem, { hint: guess === undefined ? list : `did you mean ${guess}? ${list}` });
}

function listOf(items: readonly { readonly name: string }[]): string {
  return items.map(({ name }) => name).join(", ");
}
