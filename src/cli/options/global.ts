import { usageError } from "../../domain/errors.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { GlobalOptions, OutputFormat } from "../context.ts";

const FORMATS: readonly OutputFormat[] = ["text", "json", "yaml", "name"];

/** The options every command takes. */
export const globalOptions: readonly OptionSpec[] = [
  { flags: "-o, --output <format>", description: "how to print the result", choices: FORMATS, default: "text" },
  { flags: "-q, --quiet", description: "print only the bare identifier, and errors" },
  { flags: "-v, --verbose", description: "print debug lines; stack traces for bugs" },
  { flags: "--no-color", description: "no colours", env: "NO_COLOR" },
  { flags: "--no-progress", description: "no progress bars or spinners" },
  { flags: "--no-input", description: "never ask; fail instead", env: "CI" },
  { flags: "-y, --yes", description: "answer yes to every confirmation" },
  { flags: "-h, --help", description: "print help" },
].map((option): OptionSpec => ({ group: "Global options", ...option }));

/** Reads the global options from parsed values. */
export function readGlobalOptions(values: Readonly<Record<string, unknown>>): GlobalOptions {
  const output = values["output"] ?? "text";
  const format = FORMATS.find((candidate) => candidate === output);
  if (format === undefined) {
    throw usageError("OUTPUT_FORMAT_INVALID", `--output ${JSON.stringify(output)} is not a format`, {
      hint: `use one of ${FORMATS.join(", ")}`,
    });
  }
  return {
    output: format,
    quiet: values["quiet"] === true,
    verbose: values["verbose"] === true,
    progress: values["progress"] !== false,
    input: values["input"] !== false,
    yes: values["yes"] === true,
    color: values["color"] === false ? false : undefined,
  };
}

/**
 * A rough reading straight from the command line, for errors that happen before or during parsing.
 * Values that are wrong are ignored here: parsing will say so.
 */
export function guessGlobalOptions(argv: readonly string[]): GlobalOptions {
  const end = argv.indexOf("--");
  const words = end === -1 ? argv : argv.slice(0, end);
  const inline = words.find((word) => word.startsWith("--output="))?.slice("--output=".length);
  const at = words.findIndex((word) => word === "-o" || word === "--output");
  const short = words.find((word) => /^-o(?:json|yaml|name|text)$/u.test(word))?.slice(2);
  const output = inline ?? short ?? (at === -1 ? undefined : words[at + 1]);
  const has = (...names: string[]): boolean => names.some((name) => words.includes(name));
  return readGlobalOptions({
    output: FORMATS.find((format) => format === output),
    quiet: has("-q", "--quiet"),
    verbose: has("-v", "--verbose"),
    progress: !has("--no-progress"),
    input: !has("--no-input"),
    ...(has("--no-color") ? { color: false } : {}),
  });
}
