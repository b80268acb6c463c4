import { WasmeError } from "../domain/errors.ts";
import { systemClock } from "../platform/clock.ts";
import { resolvePaths } from "../platform/paths.ts";
import { runProcess } from "../platform/process-runner.ts";
import { SIGNAL_EXIT, watchSignals } from "../platform/signals.ts";
import type { Terminal } from "../platform/terminal.ts";
import { findCommand } from "./command-index.ts";
import { type CommandSpec, usageLine } from "./command-spec.ts";
import type { GlobalOptions } from "./context.ts";
import type { Io } from "./io.ts";
import { readGlobalOptions } from "./options/global.ts";
import { HelpWanted, type Invocation, PARSE_ERROR, parseCommandLine } from "./program.ts";
import { createEventRenderer } from "./render/events.ts";
import { printOutcome } from "./render/outcome.ts";

/** Parses a command line, runs its command and prints the result; gives the exit code. Throws what the command throws. */
export async function execute(typed: readonly string[], io: Io, terminal: Terminal): Promise<number> {
  // `wasme help push`, as docker, kubectl and git have it.
  const isHelp = commandWords(typed)[0] === "help";
  const argv = isHelp ? [...typed.toSpliced(typed.indexOf("help"), 1), "--help"] : typed;
  const found = findCommand(commandWords(argv));
  const spec = await found?.entry.load();
  const invocation = parse(argv, spec);
  if (invocation.type === "help") return await printHelp(invocation.topic, terminal);
  return await run(invocation, { io, terminal, global: readGlobalOptions(invocation.input.options) });
}

/** The words that can name a command: those before the first option that is not a global one. */
function commandWords(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i] ?? "";
    if (word === "-o" || word === "--output") i += 1;
    else if (!word.startsWith("-")) words.push(word);
    else if (!GLOBAL_FLAGS.test(word)) break;
  }
  return words;
}

const GLOBAL_FLAGS = /^(?:-[qvyh]|-o.+|--(?:output=.*|quiet|verbose|no-color|no-progress|no-input|yes|help))$/u;

function parse(argv: readonly string[], spec: CommandSpec | undefined): Invocation {
  try {
    return parseCommandLine(argv, spec);
  } catch (error) {
    if (error instanceof HelpWanted) return { type: "help", topic: error.topic };
    if (!(error instanceof WasmeError) || error.code !== PARSE_ERROR) throw error;
    const hint = hintOf(error, spec);
    const usage = spec === undefined ? "wasme <command> [options]" : usageLine(spec);
    throw new WasmeError(error.kind, error.code, error.message, { ...hint, details: { usage, ...error.details } });
  }
}

/** What was meant; where something is missing, a line that has everything. */
function hintOf({ hint, message }: WasmeError, spec: CommandSpec | undefined): { readonly hint?: string } {
  if (hint !== undefined) return { hint };
  const [example] = spec?.examples ?? [];
  return example === undefined || !MISSING.test(message) ? {} : { hint: `for example: ${example.command}` };
}

const MISSING = /^(?:missing required argument|required option) /u;

async function printHelp(topic: CommandSpec | string | undefined, { stdout }: Terminal): Promise<number> {
  const { renderCommandHelp, renderGroupHelp, renderTopHelp } = await import("./help.ts");
  const { style, width } = stdout;
  if (topic === undefined) stdout.write(`${renderTopHelp(style, width)}\n`);
  else if (typeof topic === "string") stdout.write(`${renderGroupHelp(topic, style, width)}\n`);
  else stdout.write(`${renderCommandHelp(topic, style, width)}\n`);
  return 0;
}

interface World {
  readonly io: Io;
  readonly terminal: Terminal;
  readonly global: GlobalOptions;
}

async function run({ spec, input }: Extract<Invocation, { type: "run" }>, world: World): Promise<number> {
  const { io, terminal, global } = world;
  const renderer = createEventRenderer(terminal.stderr, global, io.env);
  let late: NodeJS.Timeout | undefined;
  const watch = watchSignals(() => {
    renderer.close();
    const tell = (what: string): void => terminal.stderr.write(`${what}. Press Ctrl-C again to stop at once.\n`);
    if (spec.endless?.(input) !== true) tell("Interrupted: cleaning up");
    // A log that programs read gets no words for fingers.
    else if (terminal.stderr.isTerminal) late = setTimeout(() => tell("Stopping"), LATE_MS);
  });
  const context = {
    terminal,
    events: renderer.sink,
    clock: systemClock,
    exec: runProcess,
    env: io.env,
    paths: resolvePaths(io.env, io.cwd),
    cwd: io.cwd,
    signal: watch.signal,
    global,
  };
  try {
    const outcome = await spec.run(context, input);
    renderer.close();
    await printOutcome(outcome, terminal.stdout, global);
    return outcome.exitCode ?? 0;
  } catch (error) {
    renderer.close();
    const name = watch.received();
    if (name !== undefined) return SIGNAL_EXIT[name] ?? 130;
    throw error;
  } finally {
    clearTimeout(late);
    watch.dispose();
  }
}

/** Milliseconds after which the end of an endless command is worth a word. */
const LATE_MS = 500;
