import { createTerminal, type Terminal } from "../platform/terminal.ts";
import type { Io } from "./io.ts";
import { guessGlobalOptions } from "./options/global.ts";

/** Runs one command line and gives its exit code. Never throws, never exits. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const global = guessGlobalOptions(argv);
  const terminal = createTerminal(io, io.env, global.color);
  try {
    // The program's own help and version need neither the parser nor any command: they stay quick.
    if (argv[0] === "__complete") return await printCompletion(argv.slice(1), io);
    if (argv.every((word) => TOP_LEVEL.test(word))) return await printTop(argv, terminal);
    const { execute } = await import("./execute.ts");
    return await execute(argv, io, terminal);
  } catch (error) {
    const { printError } = await import("./print-error.ts");
    return printError(error, { stderr: terminal.stderr, global });
  }
}

const TOP_LEVEL = /^(?:-h|--help|--version|--no-color)$/u;

async function printTop(argv: readonly string[], { stdout }: Terminal): Promise<number> {
  if (argv.includes("--version") && !argv.includes("--help") && !argv.includes("-h")) {
    const { packageVersion } = await import("./version.ts");
    stdout.write(`wasme version ${packageVersion()}\n`);
    return 0;
  }
  const { renderTopHelp } = await import("./help.ts");
  stdout.write(`${renderTopHelp(stdout.style, stdout.width)}\n`);
  return 0;
}

/** What the completion scripts call. */
async function printCompletion(words: readonly string[], io: Io): Promise<number> {
  const { complete, formatCompletion } = await import("./complete.ts");
  io.stdout.write(formatCompletion(await complete(words, io)));
  return 0;
}
