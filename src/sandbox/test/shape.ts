import { didYouMean } from "../../domain/did-you-mean.ts";
import { isObject, type JsonObject } from "../../domain/json.ts";

/** Where in a document: keys and places in lists. */
export type Place = readonly (string | number)[];

/** Something that is not as it should be. */
export interface Mistake {
  readonly at: Place;
  /** The key itself is wrong, not what it holds. */
  readonly ofKey: boolean;
  readonly message: string;
}

/** What reading a value may ask for, and where its mistakes go. */
export interface ReadContext {
  /** How a number was written (`1.0`), where text is wanted; absent for values that were never text. */
  readonly written?: (at: Place) => string | undefined;
  readonly mistakes: Mistake[];
}

/**
 * The form of a value, told once: reads it (with a mistake for everything that is wrong) and gives its JSON Schema, so that
 * the two cannot say different things.
 */
export interface Shape<T> {
  /** Definitions that are referred to are added to `defs`. */
  schema(defs: Map<string, JsonObject>): JsonObject;
  /** `undefined` after a mistake. */
  read(value: unknown, at: Place, context: ReadContext): T | undefined;
}

/** A key of an object: its shape and what an editor shows for it. */
export interface Field<T> {
  readonly shape: Shape<T>;
  readonly about: string;
}

/** The fields of an object type, all of them. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<Exclude<T[K], undefined>> };

/** What an object has to obey beyond its fields. */
export interface ObjectRules<T> {
  readonly required?: readonly (keyof T & string)[];
  /** Of each group, at most one key. */
  readonly atMostOne?: readonly (readonly (keyof T & string)[])[];
  /** At least one key, or exactly one. */
  readonly keys?: "some" | "one";
}

/** An object with known keys; any other is a mistake with a proposal. */
export function object<T extends object>(what: string, fields: Fields<T>, rules: ObjectRules<T> = {}): Shape<T> {
  const known = Object.entries<Field<unknown>>(fields);
  const names = known.map(([name]) => name);
  return {
    schema: (defs) => ({
      type: "object",
      properties: Object.fromEntries(
        known.map(([name, { shape, about }]) => [name, { ...shape.schema(defs), description: about }]),
      ),
      additionalProperties: false,
      ...(rules.required === undefined ? {} : { required: rules.required }),
      ...(rules.keys === undefined ? {} : { minProperties: 1 }),
      ...(rules.keys === "one" ? { maxProperties: 1 } : {}),
      ...(rules.atMostOne === undefined ? {} : { allOf: rules.atMostOne.flatMap(exclusions) }),
    }),
    read: (value, at, context) => {
      if (!isObject(value)) return wrong(context, at, `expected ${what}, a map, but this is ${kindOf(value)}`);
      const before = context.mistakes.length;
      const result: Record<string, unknown> = {};
      for (const [name, item] of Object.entries(value)) {
        const field = names.includes(name) ? fields[name as keyof T] : undefined;
        if (field !== undefined) result[name] = field.shape.read(item, [...at, name], context);
        else context.mistakes.push({ at: [...at, name], ofKey: true, message: unknownKey(name, what, names) });
      }
      checkRules(value, { what, names, rules: rules as ObjectRules<Record<string, unknown>> }, { at, context });
      return context.mistakes.length === before ? (result as T) : undefined;
    },
  };
}

interface NamedRules {
  readonly what: string;
  readonly names: readonly string[];
  readonly rules: ObjectRules<Record<string, unknown>>;
}

interface Spot {
  readonly at: Place;
  readonly context: ReadContext;
}

function checkRules(value: Record<string, unknown>, { what, names, rules }: NamedRules, { at, context }: Spot): void {
  const has = (name: string): boolean => Object.hasOwn(value, name);
  for (const name of rules.required ?? []) if (!has(name)) wrong(context, at, `${what} needs ${JSON.stringify(name)}`);
  for (const group of rules.atMostOne ?? []) {
    const [first, second] = group.filter(has);
    if (first === undefined || second === undefined) continue;
    const message = `${what} has ${JSON.stringify(first)} already; ${JSON.stringify(second)} cannot be beside it`;
    context.mistakes.push({ at: [...at, second], ofKey: true, message });
  }
  const count = Object.keys(value).length;
  if (rules.keys !== undefined && count === 0) wrong(context, at, `${what} is empty; it takes ${listOf(names, "or")}`);
  if (rules.keys === "one" && count > 1) wrong(context, at, `${what} takes one key only, of ${listOf(names, "and")}`);
}

function unknownKey(name: string, what: string, names: readonly string[]): string {
  const meant = didYouMean(name, names);
  const proposal = meant === undefined ? `it knows ${listOf(names, "and")}` : `did you mean ${JSON.stringify(meant)}?`;
  return `unknown key ${JSON.stringify(name)} in ${what}; ${proposal}`;
}

function exclusions(group: readonly string[]): JsonObject[] {
  return group.flatMap((first, at) =>
    group.slice(at + 1).map((second): JsonObject => ({ not: { required: [first, second] } })),
  );
}

/** An object whose keys are names of the author's. */
export function mapOf<T>(what: string, item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    schema: (defs) => ({ type: "object", additionalProperties: item.schema(defs) }),
    read: (value, at, context) => {
      if (!isObject(value)) return wrong(context, at, `expected ${what}, a map, but this is ${kindOf(value)}`);
      const entries = Object.entries(value).map(([name, one]) => [name, item.read(one, [...at, name], context)]);
      return Object.fromEntries(entries) as Record<string, T>;
    },
  };
}

/** A list; `least` items at least. */
export function listOfShape<T>(what: string, item: Shape<T>, least = 0): Shape<readonly T[]> {
  return {
    schema: (defs) => ({ type: "array", items: item.schema(defs), ...(least > 0 ? { minItems: least } : {}) }),
    read: (value, at, context) => {
      if (!Array.isArray(value)) return wrong(context, at, `expected ${what}, a list, but this is ${kindOf(value)}`);
      if (value.length < least) return wrong(context, at, `${what} is empty`);
      return value.map((one, place) => item.read(one, [...at, place], context) as T);
    },
  };
}

/** The kinds of value a place may hold, each with its own shape. */
export interface Kinds<T> {
  readonly text?: Shape<T>;
  readonly map?: Shape<T>;
  readonly list?: Shape<T>;
  readonly nothing?: Shape<T>;
}

/** One of several kinds; `text` takes strings, numbers and booleans. */
export function oneOf<T>(what: string, kinds: Kinds<T>): Shape<T> {
  const { text, map, list, nothing } = kinds;
  const all = [text, map, list, nothing].filter((shape) => shape !== undefined);
  return {
    schema: (defs) => ({ anyOf: all.map((shape) => shape.schema(defs)) }),
    read: (value, at, context) => {
      const shape = value === null ? nothing : Array.isArray(value) ? list : isObject(value) ? map : text;
      return shape === undefined
        ? wrong(context, at, `expected ${what}, but this is ${kindOf(value)}`)
        : shape.read(value, at, context);
    },
  };
}

/** A shape that is used in many places, or within itself: one definition of the schema. */
export function named<T>(name: string, make: () => Shape<T>): Shape<T> {
  let made: Shape<T> | undefined;
  const get = (): Shape<T> => (made ??= make());
  return {
    schema: (defs) => {
      if (!defs.has(name)) {
        defs.set(name, {});
        defs.set(name, get().schema(defs));
      }
      return { $ref: `#/$defs/${name}` };
    },
    read: (value, at, context) => get().read(value, at, context),
  };
}

/** Says so, and gives nothing. */
export function wrong(context: ReadContext, at: Place, message: string): undefined {
  context.mistakes.push({ at, ofKey: false, message });
  return undefined;
}

/** A value as messages call it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "a map";
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** `a, b or c`. */
export function listOf(names: readonly string[], word: "and" | "or"): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1) ?? ""}`;
}
