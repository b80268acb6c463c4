import { usageError } from "./errors.ts";

/** Seconds that fit the time field of a tar header (11 octal digits): the year 2242. */
const MAX_SECONDS = 0o77777777777;

/**
 * Reads `SOURCE_DATE_EPOCH` (reproducible-builds.org): the time, in whole seconds since 1970, that is written where a
 * format has a place for one. Absent or empty is no time at all. Throws `SOURCE_DATE_INVALID` (usage).
 */
export function parseSourceDate(text: string | undefined): Date | undefined {
  if (text === undefined || text === "") return undefined;
  const seconds = /^\d{1,11}$/u.test(text) ? Number(text) : Number.NaN;
  if (seconds <= MAX_SECONDS) return new Date(seconds * 1000);
  const shown = JSON.stringify(text.slice(0, 40));
  throw usageError("SOURCE_DATE_INVALID", `SOURCE_DATE_EPOCH ${shown} is not a time in whole seconds since 1970`, {
    hint: "export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct), or unset it",
  });
}

/** RFC 3339 in whole seconds, as image configs and annotations have it: `2026-11-21T12:00:00Z`. */
export function formatSourceDate(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/u, "Z");
}
