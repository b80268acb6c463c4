import { usageError } from "./errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/u;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/gu;

/**
 * Milliseconds of a duration as Go and kubectl write it: `15s`, `1m30s`, `500ms`, `0`. `flag` names the option in the
 * error. Throws `DURATION_INVALID` (usage).
 */
export function parseDuration(text: string, flag: string): number {
  if (text === "0") return 0;
  if (!WHOLE.test(text)) {
    throw usageError("DURATION_INVALID", `${flag} ${JSON.stringify(text)} is not a duration`, {
      hint: "write it like 30s, 5m or 1m30s",
    });
  }
  let total = 0;
  for (const [, amount = "0", unit = "s"] of text.matchAll(PART)) total += Number(amount) * (UNIT_MS[unit] ?? 0);
  return Math.round(total);
}

/** Milliseconds for people: `1.5 ms`, `340 ms`, `12.3 s`, `2 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${ms < 100 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
