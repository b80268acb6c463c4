import { systemClock } from "../platform/clock.ts";
import type { Env } from "../platform/env.ts";
import { resolvePaths } from "../platform/paths.ts";
import { runProcess } from "../platform/process-runner.ts";
import { SIGNAL_EXIT, watchSignals } from "../platform/signals.ts";
import { createTerminal, type StandardStreams, type Terminal } from "../platform/terminal.ts";
import { findCommand } from "./command-index.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { GlobalOptions } from "./context.ts";
import { guessGlobalOptions, readGlobalOptions } from "./options/global.ts";
import { printError } from "./print-error.ts";
import { HelpWanted, type Invocation, parseCommandLine } from "./program.ts";
import { renderCommandHelp, renderGroupHelp, renderTopHelp, usageLine } from "./help.ts";

/** The world the program is started in; `bin/wasme.js` passes the process's own. */
export interface Io extends StandardStreams {
  readonly env: Env;
  readonly cwd: string;
}

/** Runs one command line and gives its exit code. Never throws, never exits. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  if (argv[0] === "__complete") return await printCompletion(argv.slice(1), io);
  const guess = guessGlobalOptions(argv);
  const terminal = createTerminal(io, io.env, guess.color);
  const { packageVersion } = await import("./version.ts");
  let spec: CommandSpec | undefined;
  let global = guess;
  try {
    const found = findCommand(commandWords(argv));
    spec = await found?.entry.load();
    const invocation = parse(argv, spec);
    if (invocation.type === "version") {
      terminal.stdout.write(`wasme version ${packageVersion()}\n`);
      return 0;
    }
    if (invocation.type === "help") return printHelp(invocation.topic, terminal);
    global = readGlobalOptions(invocation.input.options);
    return await run(invocation, { io, terminal, global });
  } catch (error) {
    const usage = spec === undefined ? "wasme <command> [options]" : usageLine(spec);
    return printError(error, { stderr: terminal.stderr, global, usage, version: packageVersion });
  }
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
    throw error;
  }
}

/** What the completion scripts call. */
async function printCompletion(words: readonly string[], io: Io): Promise<number> {
  const { complete, formatCompletion } = await import("./complete.ts");
  io.stdout.write(formatCompletion(await complete(words, io)));
  return 0;
}

function printHelp(topic: CommandSpec | string | undefined, { stdout }: Terminal): number {
  const width = stdout.width;
  const text =
    topic === undefined
      ? renderTopHelp(stdout.style, width)
      : typeof topic === "string"
        ? renderGroupHelp(topic, stdout.style, width)
        : renderCommandHelp(topic, stdout.style, width);
  stdout.write(`${text}\n`);
  return 0;
}

async function run(
  { spec, input }: Extract<Invocation, { type: "run" }>,
  { io, terminal, global }: { io: Io; terminal: Terminal; global: GlobalOptions },
): Promise<number> {
  const { createEventRenderer } = await import("./render/events.ts");
  const renderer = createEventRenderer(terminal.stderr, global, io.env);
  const watch = watchSignals(() => {
    renderer.close();
    terminal.stderr.write("Interrupted: cleaning up. Press Ctrl-C again to stop at once.\n");
  });
  try {
    const outcome = await spec.run(
      {
        terminal,
        events: renderer.sink,
        clock: systemClock,
        exec: runProcess,
        env: io.env,
        paths: resolvePaths(io.env, io.cwd),
        cwd: io.cwd,
        signal: watch.signal,
        global,
      },
      input,
    );
    renderer.close();
    const { printOutcome } = await import("./render/outcome.ts");
    await printOutcome(outcome, terminal.stdout, global);
    return outcome.exitCode ?? 0;
  } catch (error) {
    renderer.close();
    const name = watch.received();
    if (name !== undefined) return SIGNAL_EXIT[name] ?? 130;
    throw error;
  } finally {
    watch.dispose();
  }
}
