import { didYouMean } from "../../../domain/did-you-mean.ts";
import type { Token } from "./textproto-lexer.ts";
import { type FieldType, integerRange, type MessageSchema } from "./textproto-schema.ts";
import { utf8Text } from "./textproto-strings.ts";

/** A value, or what is wrong with it: the rest of a sentence that begins with the field. */
export type Scalar = { readonly value: unknown } | { readonly problem: string; readonly hint?: string };

/** The value a token means for a field that is no message. Numbers are decimal, octal or hex, as in C. */
export function scalarOf(
  type: Exclude<FieldType, { readonly message: MessageSchema }>,
  token: Pick<Token, "kind" | "text">,
  negative: boolean,
): Scalar {
  if (typeof type === "object") return enumValue(type.values, token, negative);
  switch (type) {
    case "string":
    case "bytes":
      return stringValue(type, token, negative);
    case "bool":
      return boolValue(token, negative);
    case "double":
      return doubleValue(token, negative);
    case "int32":
    case "uint32":
    case "int64":
    case "uint64":
      return integerValue(type, token, negative);
  }
}

type Word = Pick<Token, "kind" | "text">;

function stringValue(type: "string" | "bytes", { kind, text }: Word, negative: boolean): Scalar {
  if (kind !== "string" || negative) return { problem: "is a string: quotes are expected" };
  if (type === "bytes") return { value: text };
  const value = utf8Text(text);
  return value === undefined ? { problem: "is no UTF-8" } : { value };
}

function boolValue({ kind, text }: Word, negative: boolean): Scalar {
  const value = kind === "string" || negative ? undefined : BOOLS[text];
  return value === undefined ? { problem: "is true or false" } : { value };
}

const BOOLS: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  t: true,
  1: true,
  false: false,
  False: false,
  f: false,
  0: false,
};

function enumValue(values: Readonly<Record<string, number>>, { kind, text }: Word, negative: boolean): Scalar {
  const names = Object.keys(values);
  if (kind === "name" && names.includes(text) && !negative) return { value: text };
  const number = kind === "number" && !negative ? integerOf(text) : undefined;
  const named = names.find((name) => number === BigInt(values[name] ?? -1));
  if (named !== undefined) return { value: named };
  const near = kind === "name" ? didYouMean(text, names) : undefined;
  return {
    problem: `is one of ${names.join(", ")}`,
    ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
  };
}

function integerValue(type: "int32" | "uint32" | "int64" | "uint64", { kind, text }: Word, negative: boolean): Scalar {
  const digits = kind === "number" ? integerOf(text) : undefined;
  if (digits === undefined) return { problem: "is a whole number" };
  const value = negative ? -digits : digits;
  const [least, most] = integerRange(type);
  if (value < least || value > most) return { problem: `is a number from ${least} to ${most}` };
  return { value: type.endsWith("64") ? value : Number(value) };
}

function integerOf(text: string): bigint | undefined {
  if (/^0[0-7]+$/u.test(text)) return BigInt(`0o${text.slice(1)}`);
  return /^(?:0[xX][0-9a-fA-F]+|0|[1-9]\d*)$/u.test(text) ? BigInt(text) : undefined;
}

function doubleValue({ kind, text }: Word, negative: boolean): Scalar {
  const word = kind === "name" ? DOUBLES[text.toLowerCase()] : undefined;
  const whole = kind === "number" ? integerOf(text) : undefined;
  const value = word ?? (kind !== "number" ? undefined : Number(whole ?? text.replace(/[fF]$/u, "")));
  if (value === undefined || (whole === undefined && /^0\d/u.test(text))) return { problem: "is a number" };
  return { value: negative ? -value : value };
}

const DOUBLES: Readonly<Record<string, number>> = {
  inf: Number.POSITIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  nan: Number.NaN,
};
