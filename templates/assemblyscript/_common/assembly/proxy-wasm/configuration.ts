import { JsonKind, JsonReader, JsonValue } from "./json";
import { log } from "./log";

/**
 * Reads a plugin configuration that is a JSON object, key by key: each method checks one key. The first thing that is
 * wrong is remembered, and every key may be read all the same; `accepted()` comes last.
 *
 * ```ts
 * const configuration = readConfiguration(this.configuration);
 * this.limit = configuration.wholeNumber("limit", 1, 1000);
 * this.hosts = configuration.texts("hosts");
 * return configuration.accepted();
 * ```
 */
export function readConfiguration(text: string): ConfigurationObject {
  const reader = new JsonReader(text);
  const value = reader.value;
  const problems = new Problems();
  if (text.length == 0) problems.add("there is no configuration: it must be a JSON object");
  else if (!value) problems.add("the configuration is not JSON: " + reader.problem);
  else if (value.kind != JsonKind.Object) problems.add("the configuration is not a JSON object");
  return new ConfigurationObject(value ? value : new JsonValue(JsonKind.Object), "", problems);
}

/** What is wrong with a configuration: the first thing. */
// @ts-ignore: decorator
@final
class Problems {
  first: string = "";

  add(problem: string): void {
    if (this.first.length == 0) this.first = problem;
  }
}

/** An object of the configuration. See `readConfiguration`. */
// @ts-ignore: decorator
@final
export class ConfigurationObject {
  /** Keys that were asked for: all that this object may have. */
  private known: string[] = [];
  private inner: ConfigurationObject[] = [];

  constructor(
    private value: JsonValue,
    /** Where it stands in the configuration, as messages begin: `rules[0].`. */
    private place: string,
    private problems: Problems,
  ) {}

  /** Whether the key is there. */
  has(key: string): bool {
    return this.find(key) != null;
  }

  /** Says what is wrong with a key: `refuse("to", "must be a path")`. */
  refuse(key: string, problem: string): void {
    this.problems.add("configuration: " + this.place + key + " " + problem);
  }

  /** A text; `fallback` when the key is not there, and without a fallback it must be there. */
  text(key: string, fallback: string | null = null): string {
    const value = this.find(key);
    if (value && value.kind == JsonKind.Text) return value.text;
    if (value || fallback === null) this.refuse(key, value ? "must be text" : "is missing");
    return fallback === null ? "" : fallback;
  }

  /** A whole number within limits; without a `fallback` (from 0 on) it must be there. */
  wholeNumber(key: string, least: i64, most: i64, fallback: i64 = -1): i64 {
    const value = this.find(key);
    if (!value) {
      if (fallback < 0) this.refuse(key, "is missing");
      return fallback;
    }
    const number = value.number;
    const fits = value.kind == JsonKind.Number && number == Math.floor(number);
    if (fits && number >= <f64>least && number <= <f64>most) return <i64>number;
    this.refuse(key, "must be a whole number from " + least.toString() + " to " + most.toString());
    return least;
  }

  /** `true` or `false`. */
  flag(key: string, fallback: bool): bool {
    const value = this.find(key);
    if (!value) return fallback;
    if (value.kind != JsonKind.Bool) this.refuse(key, "must be true or false");
    return value.flag;
  }

  /** A list of texts, `least` of them or more; an empty one when the key is not there and `least` is 0. */
  texts(key: string, least: i32 = 0): string[] {
    const values = this.list(key, least, "texts");
    const texts: string[] = [];
    for (let i = 0; i < values.length; i++) {
      if (values[i].kind == JsonKind.Text) texts.push(values[i].text);
      else this.refuse(key + "[" + i.toString() + "]", "must be text");
    }
    return texts;
  }

  /** A list of objects, `least` of them or more; an empty one when the key is not there and `least` is 0. */
  objects(key: string, least: i32 = 0): ConfigurationObject[] {
    const values = this.list(key, least, "objects");
    const objects: ConfigurationObject[] = [];
    for (let i = 0; i < values.length; i++) {
      const object = this.enter(key + "[" + i.toString() + "]", values[i]);
      if (object) objects.push(object);
    }
    return objects;
  }

  /** An object; `null` when the key is not there. */
  object(key: string): ConfigurationObject | null {
    const value = this.find(key);
    return value ? this.enter(key, value) : null;
  }

  /** Comes last: `true` when nothing is wrong and no key is unknown; else writes what is wrong to the log. */
  accepted(): bool {
    this.findUnknown();
    if (this.problems.first.length == 0) return true;
    log.error(this.problems.first);
    return false;
  }

  private find(key: string): JsonValue | null {
    if (!this.known.includes(key)) this.known.push(key);
    return this.value.get(key);
  }

  private list(key: string, least: i32, what: string): JsonValue[] {
    const value = this.find(key);
    if (!value && least == 0) return [];
    if (value && value.kind == JsonKind.List && value.values.length >= least) return value.values;
    const must = "must be a list of " + what + (least > 0 ? ", " + least.toString() + " or more" : "");
    this.refuse(key, value ? must : "is missing");
    return [];
  }

  private enter(key: string, value: JsonValue): ConfigurationObject | null {
    if (value.kind != JsonKind.Object) {
      this.refuse(key, "must be an object");
      return null;
    }
    const object = new ConfigurationObject(value, this.place + key + ".", this.problems);
    this.inner.push(object);
    return object;
  }

  private findUnknown(): void {
    for (let i = 0; i < this.value.names.length; i++) {
      const name = this.value.names[i];
      if (!this.known.includes(name)) {
        this.refuse('"' + name + '"', "is not known; there is " + this.known.join(", "));
      }
    }
    for (let i = 0; i < this.inner.length; i++) this.inner[i].findUnknown();
  }
}
