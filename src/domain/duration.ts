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
