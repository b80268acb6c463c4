import { shortDigest } from "../../../domain/digest.ts";
import type { ProgressEvent } from "../../../domain/events.ts";
import { redact } from "../../../domain/redact.ts";
import type { Style } from "../../../platform/terminal.ts";
import { formatSize } from "../size.ts";

/** Draws what happens; `debug` events never reach it. */
export interface Renderer {
  show(event: Exclude<ProgressEvent, { type: "debug" }>): void;
  /** Prints a line of its own, above anything live. */
  line(text: string): void;
  close(): void;
}

/** One line for a blob that is settled: `6f8160e3  30.0 kB uploaded`, `6f8160e3  already there`. */
export function blobLine(event: Extract<ProgressEvent, { type: "blob.done" | "blob.skipped" }>): string {
  const what = event.type === "blob.skipped" ? redact(event.reason) : `${formatSize(event.size)} ${event.direction}ed`;
  return `${shortDigest(event.digest)}  ${what}`;
}

/** The line of a warning, with its hint under it. */
export function warningLine(event: { readonly message: string; readonly hint?: string }, style: Style): string {
  const hint = event.hint === undefined ? "" : `\n${style.cyan("Hint:")} ${redact(event.hint)}`;
  return `${style.yellow("Warning:")} ${redact(event.message)}${hint}`;
}
