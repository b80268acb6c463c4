import { basename, join, relative, resolve } from "node:path";
import { usageError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { findLanguage, findTemplate, type Language, languagesWith, loadCatalogue } from "./catalogue.ts";
import type { GitDeps } from "./git-template.ts";
import { packageName } from "./project-name.ts";
import { type RenderedFile, type RenderInput, renderLayers, renderTemplate } from "./render.ts";
import { inspectTarget } from "./target.ts";
import { parseTemplateSource } from "./template-source.ts";
import { drawTree } from "./tree.ts";
import { overwriteFiles, placeFiles } from "./write-project.ts";

/** What making a project needs of the outside world. */
export interface InitDeps extends GitDeps {
  /** Where relative folders start. */
  readonly cwd: string;
  readonly paths: { readonly tmp: string };
}

/** What to scaffold. */
export interface InitRequest {
  /** Relative to the working directory; made, with its parents, when it is not there. */
  readonly directory: string;
  /** May be absent when the template decides it. */
  readonly language?: string;
  /** Name, folder or git URL; the language's first template when absent. */
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
  /** Its name; for one that does not come with wasme, as its manifest has it. */
  readonly template: string;
  /** Relative to the directory, sorted. */
  readonly files: readonly string[];
  /** The files drawn as an indented tree, a line each. */
  readonly tree: readonly string[];
  /** What to type next, from the working directory. */
  readonly nextCommand: string;
  /** What to type after that. */
  readonly laterCommands: readonly string[];
  /** What the template's author says about how to go on. */
  readonly notes?: string;
}

/**
 * Writes a filter project into a new or empty folder: all of it or nothing. A folder that holds only a repository's
 * or an editor's own files (`.git`, `.vscode`, …) is empty. With `force` the template's files replace those of the
 * same name, each in one step, and other files stay. A template that does not come with wasme is bytes: nothing of it is
 * run. Throws `LANGUAGE_UNKNOWN`, `LANGUAGE_NEEDED`, `TEMPLATE_UNKNOWN`, `INIT_NOT_EMPTY`, `INIT_BLOCKED` (usage), what
 * getting at such a template gives (`foreign-template.ts`) and what a full or read-only disk gives.
 */
export async function initProject(deps: InitDeps, request: InitRequest, events: EventSink): Promise<InitResult> {
  const directory = resolve(deps.cwd, request.directory);
  const name = packageName(basename(directory));
  const rendered = await render(deps, request, { name, platform: platformOf(request) });
  const { files } = rendered;
  const target = await inspectTarget(directory, files, request.force === true);
  deps.signal?.throwIfAborted();
  if (target.overwritten.length === 0) await placeFiles(directory, files);
  else await overwriteFiles(directory, files);
  for (const path of target.overwritten) events({ type: "milestone", message: `Overwrote ${path}` });
  const paths = files.map((file) => file.path);
  const [nextCommand, ...laterCommands] = commandsFor(relative(deps.cwd, directory), name, paths);
  return {
    directory,
    language: rendered.language,
    template: rendered.template,
    files: paths,
    tree: drawTree(paths),
    nextCommand,
    laterCommands,
    ...(rendered.notes === undefined ? {} : { notes: rendered.notes }),
  };
}

interface Rendered {
  readonly language: string;
  readonly template: string;
  readonly files: readonly RenderedFile[];
  readonly notes?: string | undefined;
}

async function render(deps: InitDeps, request: InitRequest, input: RenderInput): Promise<Rendered> {
  const source = request.template === undefined ? undefined : parseTemplateSource(request.template);
  if (source === undefined || source.kind === "catalogue") return await renderOwn(request, source?.name, input);
  const { withForeignTemplate } = await import("./foreign-template.ts");
  const foreign = { ...deps, tmp: deps.paths.tmp };
  return await withForeignTemplate(foreign, { source, language: request.language }, async (template) => ({
    language: template.manifest.language,
    template: template.manifest.name,
    files: await renderLayers([template], input),
    notes: template.manifest.next,
  }));
}

async function renderOwn(request: InitRequest, name: string | undefined, input: RenderInput): Promise<Rendered> {
  const catalogue = await loadCatalogue();
  const language =
    request.language === undefined ? onlyLanguage(catalogue, name) : findLanguage(catalogue, request.language);
  const template = findTemplate(language, name, catalogue);
  return { language: language.name, template: template.name, files: await renderTemplate(template.folders, input) };
}

function onlyLanguage(catalogue: readonly Language[], template: string | undefined): Language {
  const [first, ...more] = template === undefined ? catalogue : languagesWith(catalogue, template);
  if (first !== undefined && more.length === 0) return first;
  const names = [first, ...more].map((language) => language?.name ?? "");
  throw usageError("LANGUAGE_NEEDED", "it is not said in which language the filter shall be", {
    hint: `pass --language ${names.join("|")}`,
  });
}

/**
 * What to do with a new project, from the working directory, best first: its tests say at once whether everything is
 * there, in every language; without tests it is built.
 */
function commandsFor(folder: string, name: string, files: readonly string[]): readonly [string, ...string[]] {
  const place = wordOf(folder);
  const config = files.includes("config.json")
    ? ` --config ${shellQuote(`@${join(pathOf(folder), "config.json")}`)}`
    : "";
  const run = `wasme run ${place} --watch${config}`;
  const build = `wasme build ${place} -t ${name}:v0.1`;
  if (!files.some((path) => path.endsWith(".test.yaml"))) return [build, run];
  return [`wasme test ${place}`, run, build];
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

/** A folder as a word of a command: `./` in front when it could be taken for an option or a language. */
function wordOf(folder: string): string {
  return shellQuote(pathOf(folder));
}

function pathOf(folder: string): string {
  if (folder === "") return ".";
  return /^(?:\.|\/|~)/u.test(folder) ? folder : `./${folder}`;
}

function shellQuote(text: string): string {
  return /^[\w./~+:@-]+$/u.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
