import type { Context } from "./context.ts";
import type { Outcome } from "./outcome.ts";

/**
 * What a value is, for shell completion: a fixed list, a local image, a file or folder, a language or template that
 * `init` has, a language that can be built (or the folder that may stand in its place), or nothing to offer.
 */
export type Completion =
  | "image"
  | "image-or-file"
  | "file"
  | "directory"
  | "language"
  | "build-language"
  | "template"
  | "none"
  | readonly string[];

/** One option, as data: help, parsing, completion and docs are all made of it. */
export interface OptionSpec {
  /** Commander's notation: `-t, --tag <ref>`, `--no-check`, `--force`. */
  readonly flags: string;
  readonly description: string;
  /** Heading in help; options without one come first. */
  readonly group?: string;
  /** Variable that gives the value when the flag is absent; only documented here, read in `run`. */
  readonly env?: string;
  /** Default as help shows it; the value itself is applied where the option is read. */
  readonly default?: string;
  readonly choices?: readonly string[];
  /** May be given several times; values accumulate. */
  readonly repeatable?: boolean;
  readonly required?: boolean;
  /** Kept for old scripts: works, but not in help. */
  readonly hidden?: boolean;
  readonly complete?: Completion;
}

/** One positional argument: `<ref>` required, `[dir]` optional, `<refs...>` many. */
export interface ArgumentSpec {
  readonly name: string;
  readonly description: string;
  readonly complete?: Completion;
}

/** A command line to copy, and what it does. */
export interface Example {
  readonly command: string;
  readonly does: string;
}

/** A command as data. `run` starts with a dynamic import of its use case, so that help stays cheap. */
export interface CommandSpec {
  /** Full path: `deploy istio`. */
  readonly name: string;
  readonly summary: string;
  readonly description?: string;
  readonly examples: readonly Example[];
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  /** True when it goes on until it is interrupted, so that Ctrl-C is its ordinary end and needs no word. */
  readonly endless?: (input: Input) => boolean;
  run(context: Context, input: Input): Promise<Outcome>;
}

/** What was typed, parsed: positional arguments in order and option values by camelCase name. */
export interface Input {
  readonly args: readonly (string | readonly string[] | undefined)[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** `wasme build [options] -t <ref> [dir]`: what cannot be left out is named. */
export function usageLine(spec: CommandSpec): string {
  const required = spec.options.filter((option) => option.required).map(({ flags }) => flags.replace(/, --\S+/u, ""));
  return ["wasme", spec.name, "[options]", ...required, ...spec.arguments.map(({ name }) => name)].join(" ");
}

/** A positional argument that is there (commander has checked required ones). */
export function argument(input: Input, index: number): string {
  const value = input.args[index];
  return typeof value === "string" ? value : "";
}

/** A positional argument that may be absent. */
export function optionalArgument(input: Input, index: number): string | undefined {
  const value = input.args[index];
  return typeof value === "string" ? value : undefined;
}

/** The values of a variadic argument. */
export function manyArguments(input: Input, index: number): readonly string[] {
  const value = input.args[index];
  return Array.isArray(value) ? value : [];
}
