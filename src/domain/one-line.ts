import { stripControls } from "./redact.ts";

/** Text of a stranger as one plain line of at most `most` characters: it cannot pass for lines of ours, nor paint them. */
export function oneLine(text: string, most: number): string {
  const line = stripControls(text.replaceAll(/\s+/gu, " ").trim());
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
