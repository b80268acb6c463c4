import { isObject, type Json, type JsonObject } from "../../domain/json.ts";
import { kindOf, listOf, type Place, type ReadContext, type Shape, wrong } from "./shape.ts";

/** Text; numbers and booleans become what they were written as. */
export const text: Shape<string> = {
  schema: () => ({ type: ["string", "number", "boolean"] }),
  read: (value, at, context) => {
    if (typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return context.written?.(at) ?? String(value);
    return wrong(context, at, `expected text, but this is ${kindOf(value)}`);
  },
};

/** A string; numbers are none. */
export function string(what: string): Shape<string> {
  return {
    schema: () => ({ type: "string" }),
    read: (value, at, context) =>
      typeof value === "string" ? value : wrong(context, at, `expected ${what}, but this is ${kindOf(value)}`),
  };
}

/** One of some words. */
export function word<T extends string>(words: readonly T[]): Shape<T> {
  return {
    schema: () => ({ enum: words }),
    read: (value, at, context) => {
      const found = words.find((one) => one === value);
      if (found !== undefined) return found;
      const expected = listOf(
        words.map((one) => JSON.stringify(one)),
        "or",
      );
      return wrong(context, at, `expected ${expected}, but this is ${kindOf(value)}`);
    },
  };
}

/** True or false. */
export const flag: Shape<boolean> = {
  schema: () => ({ type: "boolean" }),
  read: (value, at, context) =>
    typeof value === "boolean" ? value : wrong(context, at, `expected true or false, but this is ${kindOf(value)}`),
};

/** Limits of a number. */
export interface NumberRules {
  readonly least?: number;
  readonly most?: number;
  readonly whole?: boolean;
}

/** A number within limits. */
export function number({ least, most, whole = false }: NumberRules = {}): Shape<number> {
  const what = whole ? "a whole number" : "a number";
  const range = rangeOf(least, most);
  return {
    schema: () => ({
      type: whole ? "integer" : "number",
      ...(least === undefined ? {} : { minimum: least }),
      ...(most === undefined ? {} : { maximum: most }),
    }),
    read: (value, at, context) => {
      const fits = typeof value === "number" && (!whole || Number.isInteger(value)) && Number.isFinite(value);
      if (fits && value >= (least ?? value) && value <= (most ?? value)) return value;
      return wrong(context, at, `expected ${what}${range}, but this is ${kindOf(value)}`);
    },
  };
}

function rangeOf(least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  if (least !== undefined) return ` of ${least} or more`;
  return most === undefined ? "" : ` of ${most} or less`;
}

/** A string of a certain form. `what` is how messages call it. */
export function pattern(what: string, form: RegExp): Shape<string> {
  return {
    schema: () => ({ type: "string", pattern: form.source }),
    read: (value, at, context) =>
      typeof value === "string" && form.test(value)
        ? value
        : wrong(context, at, `expected ${what}, but this is ${kindOf(value)}`),
  };
}

const DURATION = /^(?:\d+(?:\.\d+)?(?:us|ms|s|m|h))+$/u;

/** `120ms`, `1m30s`; a number is milliseconds. */
export const duration: Shape<string | number> = {
  schema: () => ({
    anyOf: [
      { type: "string", pattern: DURATION.source },
      { type: "number", minimum: 0 },
    ],
  }),
  read: (value, at, context) => {
    if ((typeof value === "number" && value >= 0) || (typeof value === "string" && DURATION.test(value))) {
      return durationNanoseconds(value) <= LONGEST ? value : wrong(context, at, "expected a time of at most 10 years");
    }
    return wrong(context, at, `expected a time like 120ms, 1s or 1m30s, but this is ${kindOf(value)}`);
  },
};

/** Nanoseconds of a time that was read with {@link duration}. */
export function durationNanoseconds(value: string | number): number {
  if (typeof value === "number") return value * 1e6;
  let total = 0;
  for (const [, amount = "0", unit = "ms"] of value.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h)/gu)) {
    total += Number(amount) * (UNITS[unit] ?? 1e6);
  }
  return total;
}

const UNITS: Readonly<Record<string, number>> = { us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Ten years; a number without end is no time. */
const LONGEST = 10 * 366 * 24 * 3600e9;

/** A regular expression. The schema says `format: regex`. */
export const regex: Shape<string> = {
  schema: () => ({ type: "string", format: "regex" }),
  read: (value, at, context) => {
    if (typeof value !== "string")
      return wrong(context, at, `expected a regular expression, but this is ${kindOf(value)}`);
    try {
      return new RegExp(value, "u") instanceof RegExp ? value : undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /u, "") : "";
      return wrong(context, at, `not a regular expression: ${reason}`);
    }
  },
};

/** Bytes in base64. */
export const base64: Shape<string> = pattern(
  "base64",
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/u,
);

/** Any JSON value; numbers YAML knows and JSON does not are mistakes. */
export const json: Shape<Json> = {
  schema: (): JsonObject => ({}),
  read: (value, at, context) => readJson(value, at, context),
};

function readJson(value: unknown, at: Place, context: ReadContext): Json | undefined {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((one, place) => readJson(one, [...at, place], context) ?? null);
  if (!isObject(value))
    return wrong(
      context,
      at,
      `expected a JSON value, but this is ${typeof value === "number" ? value : kindOf(value)}`,
    );
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, readJson(one, [...at, name], context) ?? null]),
  );
}
