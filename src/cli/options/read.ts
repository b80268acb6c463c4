import { parseByteSize } from "../../domain/byte-size.ts";
import { parseDuration } from "../../domain/duration.ts";
import { usageError } from "../../domain/errors.ts";

/** Parsed option values by camelCase name. */
export type Values = Readonly<Record<string, unknown>>;

/** A text option that may be absent. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** A repeatable option. */
export function list(values: Values, name: string): readonly string[] {
  const value = values[name];
  if (Array.isArray(value)) return value.map(String);
  return typeof value === "string" ? [value] : [];
}

/** A switch. */
export function flag(values: Values, name: string): boolean {
  return values[name] === true;
}

/** A `--no-x` switch: true unless it was given. */
export function notDenied(values: Values, name: string): boolean {
  return values[name] !== false;
}

/** A duration in milliseconds, `fallback` when absent. */
export function duration(values: Values, name: string, fallback: string): number {
  return parseDuration(text(values, name) ?? fallback, flagOf(name));
}

/** The flag of an option: `chunkSize` is `--chunk-size` to the user. */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/gu, (c) => `-${c.toLowerCase()}`)}`;
}

/** A size in bytes: `8MiB`, `65536`; at least `least` KiB. Throws `SIZE_INVALID` (usage). */
export function byteSize(values: Values, name: string, least: number): number | undefined {
  const value = text(values, name);
  if (value === undefined) return undefined;
  const bytes = parseByteSize(value);
  if (bytes !== undefined && bytes >= least * 1024) return bytes;
  throw usageError("SIZE_INVALID", `${flagOf(name)} ${JSON.stringify(value)} is not a size of ${least}KiB or more`, {
    hint: "write it like 8MiB, 5MB or 65536",
  });
}

/** A whole number within 32 bits. */
export function integer(values: Values, name: string, fallback: number): number {
  const value = text(values, name);
  if (value === undefined) return fallback;
  const number = Number(value);
  if (/^[+-]?\d+$/u.test(value) && Math.abs(number) <= 2_147_483_647) return number;
  throw usageError("NUMBER_INVALID", `${flagOf(name)} ${JSON.stringify(value)} is not a whole number within 32 bits`);
}

/** One of a fixed set; commander has checked it already. */
export function choice<T extends string>(values: Values, name: string, choices: readonly T[], fallback: T): T {
  return choices.find((candidate) => candidate === values[name]) ?? fallback;
}

/** A value given as text, or as `@file`: then the file's content. */
export async function textOrFile(value: string | undefined, what: string, cwd: string): Promise<string | undefined> {
  if (value === undefined || !value.startsWith("@")) return value;
  const { readTextFile } = await import("../../platform/read-file.ts");
  return await readTextFile(value.slice(1), { cwd, what });
}
