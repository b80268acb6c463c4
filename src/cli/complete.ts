import type { Env } from "../platform/env.ts";
import { resolvePaths } from "../platform/paths.ts";
import { allCommands, findCommand, GROUPS } from "./command-index.ts";
import type { CommandSpec, Completion, OptionSpec } from "./command-spec.ts";
import { globalOptions } from "./options/global.ts";

/** A candidate and what it is; shells that can, show the description. */
export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What to offer for the last word, and whether the shell should add files or folders of its own. */
export interface CompletionResult {
  readonly candidates: readonly Candidate[];
  readonly files: "none" | "files" | "directories";
}

/**
 * Completes the last of `words` (those after `wasme`). Reads the command data and, for images, the index of the local
 * store; never the network. A broken store offers nothing: completion must not print errors.
 */
export async function complete(
  words: readonly string[],
  outside: { readonly env: Env; readonly cwd: string },
): Promise<CompletionResult> {
  const io = { ...outside, words };
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const plain = before.filter((word, at) => !word.startsWith("-") && !GLOBAL_WITH_VALUE.has(before[at - 1] ?? ""));
  const found = findCommand(plain);
  const names = subcommands(plain, current);
  if (found === undefined) {
    return { candidates: current.startsWith("-") ? optionNames(globalOptions, current) : names, files: "none" };
  }
  const spec = await found.entry.load();
  const options = [...spec.options, ...globalOptions];
  const [inlineName, inlineValue] = current.startsWith("--") ? splitOnce(current, "=") : [current, undefined];
  if (inlineValue !== undefined) {
    const result = await values(completionOf(options, inlineName), inlineValue, io);
    return { ...result, candidates: result.candidates.map((c) => ({ ...c, value: `${inlineName}=${c.value}` })) };
  }
  const previous = before.at(-1) ?? "";
  const wanting = options.find((option) => takesValue(option) && flagNames(option).includes(previous));
  if (wanting !== undefined) return await values(wanting.complete ?? wanting.choices, current, io);
  if (current.startsWith("-")) return { candidates: optionNames(options, current), files: "none" };
  const result = await values(argumentCompletion(spec, before, options, found.length), current, io);
  return { ...result, candidates: [...names, ...result.candidates] };
}

interface CompletionIo {
  readonly env: Env;
  readonly cwd: string;
  /** All that was typed, the word to complete last. */
  readonly words: readonly string[];
}

/** Global options whose value is a word of its own, before the command too. */
const GLOBAL_WITH_VALUE: ReadonlySet<string> = new Set(["-o", "--output"]);

/** What the scripts read: `value<TAB>description` per line, then one line `:none`, `:files` or `:directories`. */
export function formatCompletion({ candidates, files }: CompletionResult): string {
  return [...candidates.map((c) => `${c.value}\t${c.description}`), `:${files}`, ""].join("\n");
}

function subcommands(plain: readonly string[], current: string): Candidate[] {
  const prefix = plain.length === 0 ? "" : `${plain.join(" ")} `;
  const rows = new Map<string, string>();
  for (const [name, summary] of [
    ...Object.entries(GROUPS),
    ...allCommands().map((e) => [e.name, e.summary] as const),
  ]) {
    if (!name.startsWith(prefix)) continue;
    const word = name.slice(prefix.length);
    if (!word.includes(" ") && word.startsWith(current)) rows.set(word, summary);
  }
  return [...rows].map(([value, description]) => ({ value, description }));
}

function optionNames(options: readonly OptionSpec[], current: string): Candidate[] {
  return options
    .filter((option) => option.hidden !== true)
    .flatMap((option) => flagNames(option).map((value) => ({ value, description: option.description })))
    .filter((candidate) => candidate.value.startsWith("--") && candidate.value.startsWith(current));
}

function flagNames(option: OptionSpec): string[] {
  return option.flags.split(/[ ,]+/u).filter((part) => part.startsWith("-"));
}

function takesValue(option: OptionSpec): boolean {
  return /[<[]/u.test(option.flags);
}

function completionOf(options: readonly OptionSpec[], name: string): Completion | undefined {
  const option = options.find((candidate) => flagNames(candidate).includes(name));
  return option?.complete ?? option?.choices;
}

/** The positional argument the current word would be, options and their values left out. */
function argumentCompletion(
  spec: CommandSpec,
  before: readonly string[],
  options: readonly OptionSpec[],
  commandLength: number,
): Completion | undefined {
  let position = -commandLength;
  for (let i = 0; i < before.length; i += 1) {
    const word = before[i] ?? "";
    const option = word.startsWith("-") ? options.find((o) => flagNames(o).includes(word)) : undefined;
    if (option !== undefined && takesValue(option)) i += 1;
    else if (!word.startsWith("-")) position += 1;
  }
  const argument = spec.arguments[Math.min(Math.max(position, 0), spec.arguments.length - 1)];
  return argument?.complete;
}

async function values(
  completion: Completion | undefined,
  current: string,
  io: CompletionIo,
): Promise<CompletionResult> {
  if (completion === undefined || completion === "none") return { candidates: [], files: "none" };
  if (completion === "file") return { candidates: [], files: "files" };
  if (completion === "directory") return { candidates: [], files: "directories" };
  const all = await candidatesOf(completion, io);
  const candidates = all.filter(({ value }) => value.startsWith(current));
  return { candidates, files: typeof completion === "string" ? (FILES_TOO[completion] ?? "none") : "none" };
}

/** Where a path may stand in the place of a name. */
const FILES_TOO: Readonly<Record<string, "files" | "directories">> = {
  "image-or-file": "files",
  template: "directories",
  "build-language": "directories",
};

type Listed = Exclude<Completion, "none" | "file" | "directory">;

async function candidatesOf(completion: Listed, io: CompletionIo): Promise<readonly Candidate[]> {
  if (completion === "image" || completion === "image-or-file") return await images(io);
  if (completion === "build-language") return await buildLanguages();
  if (completion === "language" || completion === "template") return await templates(completion, io.words);
  return completion.map((value) => ({ value, description: "" }));
}

/** Languages of the catalogue, or its templates: those of the language that was typed, if one was. */
async function templates(what: "language" | "template", words: readonly string[]): Promise<Candidate[]> {
  const { loadCatalogue } = await import("../scaffold/catalogue.ts");
  const catalogue = await loadCatalogue();
  if (what === "language") return catalogue.map(({ name, title }) => ({ value: name, description: title }));
  const typed = words[words.indexOf("--language") + 1] ?? "";
  const [named] = catalogue.filter(({ name }) => name === typed || words.includes(`--language=${name}`));
  const rows = (named === undefined ? catalogue : [named]).flatMap((item) => item.templates);
  return [...new Map(rows.map(({ name, summary }) => [name, { value: name, description: summary }])).values()];
}

async function buildLanguages(): Promise<Candidate[]> {
  const { BUILD_LANGUAGES } = await import("../toolchain/runner.ts");
  return BUILD_LANGUAGES.map((value) => ({ value, description: "language" }));
}

async function images(io: CompletionIo): Promise<Candidate[]> {
  const { openStore } = await import("../store/image-store.ts");
  try {
    const entries = await openStore(resolvePaths(io.env, io.cwd).store).entries();
    return entries.map((entry) => ({ value: entry.reference, description: "image" }));
  } catch {
    return [];
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
