import { createRequire } from "node:module";
import type { Command } from "commander";
import { didYouMean } from "../domain/did-you-mean.ts";
import { usageError } from "../domain/errors.ts";
import { allCommands, GROUPS } from "./command-index.ts";
import type { CommandSpec, Input, OptionSpec } from "./command-spec.ts";
import { globalOptions } from "./options/global.ts";

// With `import`, Node would search its text for the names of its exports first.
const commander = createRequire(import.meta.url)("commander") as typeof import("commander");

/** What a command line asks for. */
export type Invocation =
  | { readonly type: "run"; readonly spec: CommandSpec; readonly input: Input }
  | { readonly type: "help"; readonly topic: CommandSpec | string | undefined };

/** Code of errors in the command line itself, the only ones that show a usage line. */
export const PARSE_ERROR = "COMMAND_LINE_INVALID";

/**
 * Parses a command line. `spec` is the command its leading words name, loaded; all others are known by name only,
 * which is what "did you mean" needs. Throws `COMMAND_LINE_INVALID` (usage).
 */
export function parseCommandLine(argv: readonly string[], spec: CommandSpec | undefined): Invocation {
  let invocation: Invocation | undefined;
  const take = (found: Invocation): void => {
    invocation = found;
  };
  const root = silent(new commander.Command("wasme"));
  addOptions(root, globalOptions);
  root.allowExcessArguments().action(() => {
    if (root.args[0] !== undefined) throw unknownCommand(root.args[0], root);
    take({ type: "help", topic: undefined });
  });
  for (const [name, parent] of withParents(root)) {
    const command = parent.name() === name ? parent : child(parent, name.split(" ").at(-1) ?? name);
    if (spec?.name === name) fill(command, spec, take);
    else if (GROUPS[name] !== undefined) fillGroup(command, name, take);
  }
  try {
    root.parse([...argv], { from: "user" });
  } catch (error) {
    throw translate(error);
  }
  return invocation ?? { type: "help", topic: undefined };
}

/** Every command path with the command it hangs under, groups before their members. */
function* withParents(root: Command): Generator<[string, Command]> {
  const names = new Set([...Object.keys(GROUPS), ...allCommands().map((entry) => entry.name)]);
  for (const name of names) if (!name.includes(" ")) yield [name, root];
  for (const name of names) {
    const [group] = name.split(" ");
    const parent = name.includes(" ") ? root.commands.find((command) => command.name() === group) : undefined;
    if (parent !== undefined) yield [name, parent];
  }
}

function child(parent: Command, word: string): Command {
  const command = silent(parent.command(word));
  return command;
}

/** No output and no exit of commander's own: errors are thrown, help is ours. */
function silent(command: Command): Command {
  return command
    .exitOverride()
    .helpOption(false)
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
}

function fill(command: Command, spec: CommandSpec, take: (found: Invocation) => void): void {
  for (const { name, description } of spec.arguments) command.argument(name, description);
  addOptions(command, [...spec.options, ...globalOptions]);
  // Missing arguments must not hide `--help`, so commander's own check comes after ours.
  command.action((...given: unknown[]) => {
    refuseExcess(command, spec);
    const args = given
      .slice(0, spec.arguments.length)
      .map((value) => (Array.isArray(value) ? value.map(String) : value));
    take({ type: "run", spec, input: { args: args as Input["args"], options: optionsOf(command) } });
  });
  command.on("option:help", () => {
    throw new HelpWanted(spec);
  });
}

function fillGroup(command: Command, name: string, take: (found: Invocation) => void): void {
  addOptions(command, globalOptions);
  // The options of a member whose name was forgotten: that is what is wrong, not they.
  command.allowUnknownOption();
  command.action((...given: unknown[]) => {
    const self = given.at(-1);
    const extra = self instanceof commander.Command ? self.args[0] : undefined;
    if (extra !== undefined) throw unknownCommand(extra, command);
    take({ type: "help", topic: name });
  });
  command.on("option:help", () => {
    throw new HelpWanted(name);
  });
}

function unknownCommand(word: string, parent: Command): Error {
  const names = parent.commands.map((command) => command.name());
  const path = parent.parent === null ? "" : `${parent.name()} `;
  const isOption = word.startsWith("-");
  const meant = didYouMean(word, isOption ? parent.options.map(({ long }) => long ?? "") : names);
  const what = isOption ? `unknown option ${JSON.stringify(word)}` : `unknown command ${JSON.stringify(path + word)}`;
  const all = `there is ${names.join(", ")}`;
  // A group's first word that looks like no command at all is what a member of it was to be given.
  const forgotten = path !== "" && !COMMAND_WORD.test(word) ? `: wasme ${path}${names[0] ?? ""} ${word} …` : "";
  return usageError(PARSE_ERROR, what, {
    hint: meant === undefined ? all + forgotten : `did you mean ${isOption ? "" : path}${meant}?`,
    details: { usage: `wasme ${path}<command> [options]` },
  });
}

const COMMAND_WORD = /^[a-z][a-z-]*$/iu;

/** What was given before the command's words and after them; the later wins. (Commander's own merge lets `undefined` win.) */
function optionsOf(command: Command): Record<string, unknown> {
  const above = command.parent === null ? {} : optionsOf(command.parent);
  const given = Object.entries(command.opts()).filter(([, value]) => value !== undefined);
  return { ...above, ...Object.fromEntries(given) };
}

/** A word too many is refused: ignored, it would look as if it had been done too. */
function refuseExcess(command: Command, spec: CommandSpec): void {
  const extra = command.args[spec.arguments.length];
  if (extra === undefined || spec.arguments.at(-1)?.name.includes("...") === true) return;
  throw usageError(PARSE_ERROR, `unexpected argument ${JSON.stringify(extra)}`);
}

function addOptions(command: Command, options: readonly OptionSpec[]): void {
  for (const spec of options) {
    const option = new commander.Option(spec.flags, spec.description);
    if (spec.choices !== undefined) option.choices(spec.choices);
    if (spec.repeatable === true) option.argParser(accumulate);
    if (spec.required === true) option.makeOptionMandatory();
    command.addOption(option);
    // Commander makes `--no-x` alone default to true, which would hide an explicit choice of a parent.
    if (option.negate) command.setOptionValue(option.attributeName(), undefined);
  }
}

function accumulate(value: string, previous: unknown): string[] {
  return [...(Array.isArray(previous) ? previous.map(String) : []), value];
}

/** Thrown to stop parsing where `--help` stands, before missing arguments are complained about. */
export class HelpWanted extends Error {
  readonly topic: CommandSpec | string;

  constructor(topic: CommandSpec | string) {
    super("help wanted");
    this.topic = topic;
  }
}

/** Commander's errors in our words. */
function translate(error: unknown): unknown {
  if (!(error instanceof commander.CommanderError)) return error;
  const choice = INVALID_CHOICE.exec(error.message);
  if (choice !== null) {
    const [, flag = "", value = "", choices = ""] = choice;
    const meant = didYouMean(value, choices.split(", "));
    const hint = meant === undefined ? {} : { hint: `did you mean ${meant}?` };
    return usageError(PARSE_ERROR, `${flag} ${JSON.stringify(value)} is not one of ${choices}`, hint);
  }
  const [first = "", ...rest] = error.message.replace(/^error: /u, "").split("\n");
  const hint = rest.join(" ").trim().replace(/^\(/u, "").replace(/\)$/u, "");
  const message = first.replaceAll(/'([^']*)'/gu, '"$1"');
  return usageError(PARSE_ERROR, message, hint === "" ? {} : { hint: hint.replace(/^Did/u, "did") });
}

const INVALID_CHOICE =
  /^error: option '(?:-\w, )?(--[\w-]+)[^']*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/su;
