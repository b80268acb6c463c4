import { usageError, WasmeError } from "../domain/errors.ts";
import { envFlag } from "../platform/env.ts";
import type { Context } from "./context.ts";

/** What is asked, and the flag that answers it without asking. */
export interface Question {
  readonly message: string;
  readonly flag: string;
}

/** True when a person is there to answer: terminals on both sides, no `--no-input`, not in CI. */
export function canAsk(context: Pick<Context, "terminal" | "global" | "env">): boolean {
  return context.terminal.canPrompt && context.global.input && !envFlag(context.env, "CI");
}

/** Lets the user pick one of several with the arrow keys. */
export async function askChoice(
  context: Context,
  question: Question & { readonly choices: readonly { readonly name: string; readonly value: string }[] },
): Promise<string> {
  requireAnswerable(context, question);
  const { select } = await import("@inquirer/prompts");
  return await answered(select({ message: question.message, choices: [...question.choices] }, streams(context)));
}

/** Asks for a line of text. */
export async function askText(context: Context, question: Question): Promise<string> {
  requireAnswerable(context, question);
  const { input } = await import("@inquirer/prompts");
  return await answered(input({ message: question.message, required: true }, streams(context)));
}

/** Asks for a secret; what is typed shows as `*`. */
export async function askSecret(context: Context, question: Question): Promise<string> {
  requireAnswerable(context, question);
  const { password } = await import("@inquirer/prompts");
  const validate = (value: string): boolean | string => value !== "" || "a value is needed";
  return await answered(password({ message: question.message, mask: "*", validate }, streams(context)));
}

/** Asks for leave to do something; `--yes` gives it without asking. */
export async function askConfirm(context: Context, message: string): Promise<boolean> {
  if (context.global.yes) return true;
  requireAnswerable(context, { message, flag: "--yes" });
  const { confirm } = await import("@inquirer/prompts");
  return await answered(confirm({ message, default: false }, streams(context)));
}

/** Throws `INPUT_NEEDED` (usage) where {@link askConfirm} would have nobody to ask: to be known before any work. */
export function requireConfirmable(context: Context, message: string): void {
  if (!context.global.yes) requireAnswerable(context, { message, flag: "--yes" });
}

function requireAnswerable(context: Context, { message, flag }: Question): void {
  if (canAsk(context)) return;
  throw usageError("INPUT_NEEDED", `cannot ask "${message}" here: this is not a terminal, or prompts are off`, {
    hint: `pass ${flag}`,
  });
}

interface PromptStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

function streams({ terminal, signal }: Context): PromptStreams {
  return { input: terminal.prompt.input, output: terminal.prompt.output as NodeJS.WritableStream, signal };
}

/** Ctrl-C inside a prompt arrives as the package's own error, not as a signal. */
async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && /^(?:ExitPromptError|AbortPromptError)$/u.test(error.name)) {
      throw new WasmeError("interrupted", "INTERRUPTED", "interrupted", { cause: undefined });
    }
    throw error;
  }
}
