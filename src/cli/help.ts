import type { Style } from "../platform/terminal.ts";
import { COMMAND_INDEX, allCommands, GROUPS } from "./command-index.ts";
import { type CommandSpec, type OptionSpec, usageLine } from "./command-spec.ts";
import { globalOptions } from "./options/global.ts";
import { wrap } from "./render/wrap.ts";

/** Help of the whole program: made of the index alone, no command is loaded. */
export function renderTopHelp(style: Style, width: number): string {
  const sections = COMMAND_INDEX.map((section) => {
    const rows = section.commands.map((entry): [string, string] => [entry.name, entry.summary]);
    return `${style.bold(section.title)}\n${renderRows(rows, width)}`;
  });
  return [
    "wasme builds, stores, shares and deploys Proxy-Wasm filters for Envoy and Istio.",
    `${style.bold("Usage")}\n  wasme <command> [options]`,
    ...sections,
    `${style.bold("Global options")}\n${renderOptions([...globalOptions, VERSION_OPTION], width)}`,
    "Run wasme <command> --help for examples and options of a command.",
  ].join("\n\n");
}

/** Help of a group: its sub-commands. */
export function renderGroupHelp(group: string, style: Style, width: number): string {
  const rows = allCommands()
    .filter((entry) => entry.name.startsWith(`${group} `))
    .map((entry): [string, string] => [entry.name, entry.summary]);
  return [
    GROUPS[group] ?? "",
    `${style.bold("Usage")}\n  wasme ${group} <command> [options]`,
    `${style.bold("Commands")}\n${renderRows(rows, width)}`,
    `Run wasme ${group} <command> --help for examples and options.`,
  ].join("\n\n");
}

/** Help of one command: examples first, then arguments and options by group. */
export function renderCommandHelp(spec: CommandSpec, style: Style, width: number): string {
  const parts = [wrap(spec.description ?? `${spec.summary}.`, columns(width))];
  if (spec.examples.length > 0) {
    const lines = spec.examples.map((example) => `  ${style.dim(`# ${example.does}`)}\n  ${example.command}`);
    parts.push(`${style.bold("Examples")}\n${lines.join("\n\n")}`);
  }
  parts.push(`${style.bold("Usage")}\n  ${usageLine(spec)}`);
  const subcommands = allCommands().filter((entry) => entry.name.startsWith(`${spec.name} `));
  if (subcommands.length > 0) {
    const rows = subcommands.map((entry): [string, string] => [entry.name, entry.summary]);
    parts.push(`${style.bold("Commands")}\n${renderRows(rows, width)}`);
  }
  if (spec.arguments.length > 0) {
    const rows = spec.arguments.map((argument): [string, string] => [argument.name, argument.description]);
    parts.push(`${style.bold("Arguments")}\n${renderRows(rows, width)}`);
  }
  for (const [title, options] of groupOptions([...spec.options, ...globalOptions])) {
    parts.push(`${style.bold(title)}\n${renderOptions(options, width)}`);
  }
  return parts.join("\n\n");
}

/** Visible options by heading, in order of first appearance. */
export function groupOptions(options: readonly OptionSpec[]): ReadonlyMap<string, readonly OptionSpec[]> {
  const groups = new Map<string, OptionSpec[]>();
  for (const option of options) {
    if (option.hidden === true) continue;
    const title = option.group ?? "Options";
    groups.set(title, [...(groups.get(title) ?? []), option]);
  }
  return groups;
}

/** The description with choices, default and variable. */
export function optionDescription(option: OptionSpec): string {
  const notes = [
    option.choices === undefined ? undefined : choicesText(option.choices),
    option.default === undefined ? undefined : `default ${option.default}`,
    option.env === undefined ? undefined : `$${option.env}`,
    option.repeatable === true ? "repeatable" : undefined,
    option.required === true ? "required" : undefined,
  ].filter((note) => note !== undefined);
  return notes.length === 0 ? option.description : `${option.description} (${notes.join("; ")})`;
}

/** Long lists have to break somewhere. */
function choicesText(choices: readonly string[]): string {
  const text = choices.join("|");
  return text.length <= 40 ? text : choices.join(", ");
}

const VERSION_OPTION: OptionSpec = { flags: "--version", description: "print the version" };

function renderOptions(options: readonly OptionSpec[], width: number): string {
  return renderRows(
    options.map((option): [string, string] => [
      option.flags.startsWith("--") ? `    ${option.flags}` : option.flags,
      optionDescription(option),
    ]),
    width,
  );
}

/** Two columns; the second is wrapped under itself. Long first cells get a line of their own. */
function renderRows(rows: readonly (readonly [string, string])[], width: number): string {
  const column = Math.min(MAX_COLUMN, Math.max(0, ...rows.map(([first]) => first.length)));
  const room = Math.max(30, columns(width) - column - 4);
  return rows
    .map(([first, second]) => {
      const lines = wrap(second, room).split("\n");
      const indent = `\n${" ".repeat(column + 4)}`;
      if (first.length > column) return `  ${first}${indent}${lines.join(indent)}`;
      return `  ${first.padEnd(column)}  ${lines.join(indent)}`;
    })
    .join("\n");
}

/** Lines on a wide terminal stay readable; into files and pagers go 80 columns. */
function columns(width: number): number {
  return Number.isFinite(width) ? Math.min(width, 100) : 80;
}

const MAX_COLUMN = 34;
