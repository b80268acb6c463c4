import { basename, join, relative, resolve } from "node:path";
import { usageError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { findLanguage, findTemplate, loadCatalogue } from "./catalogue.ts";
import { packageName, renderTemplate } from "./render.ts";
import { inspectTarget } from "./target.ts";
import { drawTree } from "./tree.ts";
import { overwriteFiles, placeFiles } from "./write-project.ts";

/** Where relative folders start. */
export interface InitDeps {
  readonly cwd: string;
  readonly signal?: AbortSignal;
}

/** What to scaffold. */
export interface InitRequest {
  /** Relative to the working directory; made, with its parents, when it is not there. */
  readonly directory: string;
  readonly language: string;
  /** The language's first template when absent. */
  readonly template?: string;
  /** `istio`, `gloo`, …: noted in the project's README, picks nothing. */
  readonly platform?: string;
  readonly platformVersion?: string;
  /** Write into a folder that is not empty, over files of the same name. */
  readonly force?: boolean;
}

/** What was scaffolded. */
export interface InitResult {
  /** Absolute. */
  readonly directory: string;
  readonly language: string;
  readonly template: string;
  /** Relative to the directory, sorted. */
  readonly files: readonly string[];
  /** The files drawn as an indented tree, a line each. */
  readonly tree: readonly string[];
  /** What to type next, from the working directory. */
  readonly nextCommand: string;
}

/**
 * Writes a filter project into a new or empty folder: all of it or nothing. A folder that holds only a repository's
 * or an editor's own files (`.git`, `.vscode`, …) is empty. With `force` the template's files replace those of the
 * same name, each in one step, and other files stay. Throws `LANGUAGE_UNKNOWN`, `TEMPLATE_UNKNOWN`,
 * `INIT_NOT_EMPTY`, `INIT_BLOCKED` (usage) and what a full or read-only disk gives.
 */
export async function initProject(deps: InitDeps, request: InitRequest, events: EventSink): Promise<InitResult> {
  const language = findLanguage(await loadCatalogue(), request.language);
  const template = findTemplate(language, request.template);
  const directory = resolve(deps.cwd, request.directory);
  const name = packageName(basename(directory));
  const files = await renderTemplate(template.folders, { name, platform: platformOf(request) });
  const target = await inspectTarget(directory, files, request.force === true);
  deps.signal?.throwIfAborted();
  if (target.overwritten.length === 0) await placeFiles(directory, files);
  else await overwriteFiles(directory, files);
  for (const path of target.overwritten) events({ type: "milestone", message: `Overwrote ${path}` });
  const paths = files.map((file) => file.path);
  const nextCommand = `wasme build ${shellWord(relative(deps.cwd, directory) || ".")} -t ${name}:v0.1`;
  return {
    directory,
    language: language.name,
    template: template.name,
    files: paths,
    tree: drawTree(paths),
    nextCommand,
  };
}

function platformOf(request: InitRequest): string | undefined {
  const parts = [request.platform, request.platformVersion].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  const text = parts.join(" ");
  if (/^[\w.+-]+(?: [\w.+-]+)?$/u.test(text)) return text;
  throw usageError("PLATFORM_INVALID", `not a platform: ${JSON.stringify(text.slice(0, 80))}`, {
    hint: "for example --platform istio --platform-version 1.24",
  });
}

/** A path as a shell takes it for one word; `./` in front when it could be taken for an option or a language. */
function shellWord(path: string): string {
  const word = /^(?:\.|\/|~)/u.test(path) ? path : `.${join("/", path)}`;
  return /^[\w./~+:@-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
