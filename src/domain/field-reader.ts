import { didYouMean } from "./did-you-mean.ts";
import { isObject } from "./json.ts";

/** What is wrong with a field of an object that anybody may have written, and what to write instead. */
export interface FieldProblem {
  /** Path of the field, `spec.filter.image`. */
  readonly field: string;
  /** The rest of a sentence that begins with the field. */
  readonly message: string;
}

/**
 * Reads the fields of an untyped object, collecting problems instead of throwing. Absent, `null` and the empty string
 * are one: the protobuf form of the old tool could not tell them apart either.
 */
export class FieldReader {
  readonly problems: FieldProblem[];
  /** True when there is an object to read from. */
  readonly present: boolean;
  readonly #path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(value: unknown, path: string, problems: FieldProblem[]) {
    this.#path = path;
    this.problems = problems;
    this.present = isObject(value);
    this.#fields = isObject(value) ? value : {};
    if (!this.present && value !== undefined && value !== null) {
      problems.push({ field: path, message: `must be an object, not ${shown(value)}` });
    }
  }

  keys(): readonly string[] {
    return Object.keys(this.#fields);
  }

  value(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  object(key: string): FieldReader {
    return new FieldReader(this.value(key), `${this.#path}.${key}`, this.problems);
  }

  text(key: string): string | undefined {
    const value = this.#set(key);
    if (value === undefined || typeof value === "string") return value;
    return this.refuse(key, `must be a string, not ${shown(value)}`);
  }

  flag(key: string): boolean {
    const value = this.#set(key);
    if (value === undefined || typeof value === "boolean") return value ?? false;
    this.refuse(key, `must be true or false, not ${shown(value)}`);
    return false;
  }

  /** A whole number of 32 bits. */
  integer(key: string): number | undefined {
    const value = this.#set(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 2 ** 31) return value;
    return this.refuse(key, `must be a whole number of 32 bits, not ${shown(value)}`);
  }

  /** One of some words, whatever their case. */
  choice<T extends string>(key: string, words: readonly T[]): T | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
    if (found !== undefined) return found;
    const meant = didYouMean(text, words);
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    return this.refuse(
      key,
      `must be ${words.slice(0, -1).join(", ")} or ${words.at(-1) ?? ""}, not ${shown(text)}${hint}`,
    );
  }

  refuse(key: string, message: string): undefined {
    this.problems.push({ field: `${this.#path}.${key}`, message });
    return undefined;
  }

  #set(key: string): unknown {
    const value = this.value(key);
    return value === null || value === "" ? undefined : value;
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

const MAX_SHOWN = 80;
