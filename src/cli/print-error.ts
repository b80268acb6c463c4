import { WasmeError, messageOf } from "../domain/errors.ts";
import { redact, redactDeep } from "../domain/redact.ts";
import type { Channel } from "../platform/terminal.ts";
import type { GlobalOptions } from "./context.ts";
import { EXIT_BUG, EXIT_CODES } from "./exit-codes.ts";
import { packageVersion } from "./version.ts";

/** What {@link printError} needs to know beside the error. */
export interface ErrorSetting {
  readonly stderr: Channel;
  readonly global: Pick<GlobalOptions, "output" | "verbose">;
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
    stderr.write(`${JSON.stringify({ error: redactDeep(shown) })}\n`);
  } else {
    const lines = [`${stderr.style.red("Error:")} ${redact(error.message)}`, ...causes(error)];
    const usage = error.details?.["usage"];
    if (typeof usage === "string") lines.push(`Usage: ${usage}`);
    if (error.hint !== undefined) lines.push(`${stderr.style.cyan("Hint:")} ${redact(error.hint)}`);
    if (global.verbose && error.stack !== undefined) lines.push(stderr.style.dim(redact(error.stack)));
    stderr.write(`${lines.join("\n")}\n`);
  }
  return EXIT_CODES[error.kind].code;
}

/**
 * Causes that say something the message does not, one indented line each. A file system's own words only repeat the
 * sentence above them with a longer path.
 */
function causes(error: Error): string[] {
  const lines: string[] = [];
  let said = error.message;
  for (
    let cause = error.cause;
    cause !== undefined && lines.length < 4;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    const message = (messageOf(cause).split("\n", 1)[0] ?? "").replace(/:$/u, "");
    const told = said.includes(message) || FILE_SYSTEM_ERROR.test(message);
    if (message !== "" && !told) lines.push(`  ${redact(message)}`);
    said += message;
  }
  return lines;
}

/** `ENOENT: no such file or directory, open '…'`; a read error (EIO) stays, it says what nothing else does. */
const FILE_SYSTEM_ERROR = /^(?:ENOENT|ENOTDIR|EISDIR|EEXIST|EACCES|EPERM|EROFS|ENOSPC|ENOTEMPTY): /u;

function printBug(error: unknown, { stderr, global }: ErrorSetting): number {
  const platform = `wasme ${packageVersion()}, Node ${process.version}, ${process.platform} ${process.arch}`;
  if (global.output === "json") {
    stderr.write(`${JSON.stringify({ error: { code: "BUG", message: redact(messageOf(error)), hint: platform } })}\n`);
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
