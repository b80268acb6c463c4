import { WasmeError, messageOf } from "../domain/errors.ts";
import { redact } from "../domain/redact.ts";
import type { Channel } from "../platform/terminal.ts";
import type { GlobalOptions } from "./context.ts";
import { EXIT_BUG, EXIT_CODES } from "./exit-codes.ts";

/** What {@link printError} needs to know beside the error. */
export interface ErrorSetting {
  readonly stderr: Channel;
  readonly global: Pick<GlobalOptions, "output" | "verbose">;
  /** Shown under usage errors only. */
  readonly usage?: string;
  readonly version: () => string;
}

/** Prints an error on stderr, redacted, and gives the exit code of its kind. */
export function printError(error: unknown, setting: ErrorSetting): number {
  if (!(error instanceof WasmeError)) return printBug(error, setting);
  const { stderr, global } = setting;
  if (global.output === "json") {
    const { code, message, hint, details } = error;
    const shown = {
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
    };
    stderr.write(`${redact(JSON.stringify({ error: shown }))}\n`);
  } else {
    const lines = [`${stderr.style.red("Error:")} ${redact(error.message)}`, ...causes(error)];
    if (setting.usage !== undefined && error.kind === "usage" && isParseError(error))
      lines.push(`Usage: ${setting.usage}`);
    if (error.hint !== undefined) lines.push(`${stderr.style.cyan("Hint:")} ${redact(error.hint)}`);
    if (global.verbose && error.stack !== undefined) lines.push(stderr.style.dim(redact(error.stack)));
    stderr.write(`${lines.join("\n")}\n`);
  }
  return EXIT_CODES[error.kind].code;
}

/** Code of errors in the command line itself, the only ones that show a usage line. */
export const PARSE_ERROR = "COMMAND_LINE_INVALID";

function isParseError(error: WasmeError): boolean {
  return error.code === PARSE_ERROR;
}

/** Causes that say something the message does not, one indented line each. */
function causes(error: Error): string[] {
  const lines: string[] = [];
  let said = error.message;
  for (
    let cause = error.cause;
    cause !== undefined && lines.length < 4;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    const message = messageOf(cause).split("\n", 1)[0] ?? "";
    if (message !== "" && !said.includes(message)) lines.push(`  ${redact(message)}`);
    said += message;
  }
  return lines;
}

function printBug(error: unknown, { stderr, global, version }: ErrorSetting): number {
  const platform = `wasme ${version()}, Node ${process.version}, ${process.platform} ${process.arch}`;
  if (global.output === "json") {
    stderr.write(`${redact(JSON.stringify({ error: { code: "BUG", message: messageOf(error), hint: platform } }))}\n`);
    return EXIT_BUG;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [
    `${stderr.style.red("Error:")} this is a bug in wasme: ${redact(messageOf(error))}`,
    `  ${platform}`,
    global.verbose ? redact(stack) : "Hint: run again with --verbose and report what it prints",
  ];
  stderr.write(`${lines.join("\n")}\n`);
  return EXIT_BUG;
}
