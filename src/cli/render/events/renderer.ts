import type { ProgressEvent } from "../../../domain/events.ts";
import { redact } from "../../../domain/redact.ts";
import type { Style } from "../../../platform/terminal.ts";

/** Draws what happens; `debug` events never reach it. */
export interface Renderer {
  show(event: Exclude<ProgressEvent, { type: "debug" }>): void;
  /** Prints a line of its own, above anything live. */
  line(text: string): void;
  close(): void;
}

/** The line of a warning, with its hint under it. */
export function warningLine(event: { readonly message: string; readonly hint?: string }, style: Style): string {
  const hint = event.hint === undefined ? "" : `\n${style.cyan("Hint:")} ${redact(event.hint)}`;
  return `${style.yellow("Warning:")} ${redact(event.message)}${hint}`;
}
