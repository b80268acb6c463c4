import { redact } from "../domain/redact.ts";

/** The API's limits, in bytes of UTF-8. */
export const EVENT_LIMITS = { note: 1024, reason: 128, action: 128, instance: 128 } as const;

/** Cuts a text to so many bytes of UTF-8, never within a character; what is cut ends in `…`. Secrets are taken out. */
export function clipText(text: string, bytes: number): string {
  const clean = redact(text);
  if (Buffer.byteLength(clean) <= bytes) return clean;
  let size = Buffer.byteLength("…");
  let end = 0;
  for (const char of clean) {
    size += Buffer.byteLength(char);
    if (size > bytes) break;
    end += char.length;
  }
  return `${clean.slice(0, end)}…`;
}

/** A name for an event about an object: its name, shortened when needed, and something unique. At most 253 characters. */
export function eventName(about: string, unique: string): string {
  const room = 253 - unique.length - 1;
  return `${about.slice(0, room).replace(/[^a-z0-9]+$/u, "")}.${unique}`;
}
