import type { OutputUnit } from "@cfworker/json-schema";
import type { ConfigSchema } from "../domain/config-schema.ts";
import { usageError } from "../domain/errors.ts";
import { type Json, tryParseJson } from "../domain/json.ts";
import { oneLine } from "../domain/one-line.ts";
import { withinTime } from "../platform/time-limit.ts";

/**
 * What a plugin configuration has that its schema does not allow, a sentence each, at most five; empty when it fits.
 * A configuration is text: it fits when its meaning as JSON does, or the text itself as a string; none at all also
 * counts as `{}`. `undefined` when the schema does not decide: it takes longer than a second, or it cannot be applied (a
 * reference to nothing, or to itself).
 */
export async function configViolations(
  { schema }: ConfigSchema,
  config: string | undefined,
): Promise<readonly string[] | undefined> {
  const { Validator } = await import("@cfworker/json-schema");
  const text = config ?? "";
  const parsed = text === "" ? {} : (tryParseJson(text) as Json | undefined);
  const readings: readonly Json[] = parsed === undefined ? [text] : [parsed, text];
  const decided = withinTime(LIMIT_MS, () => {
    try {
      const validator = new Validator(structuredClone(schema), "2020-12", false);
      return readings.map((reading) => validator.validate(reading));
    } catch {
      // It is data, often a stranger's: what it makes the validator trip over is its own fault.
      return undefined;
    }
  });
  if (decided?.value === undefined) return undefined;
  if (decided.value.some((result) => result.valid)) return [];
  // Of the two readings, JSON that fails in its details says more than text that is no object.
  const errors = decided.value.map((result) => result.errors.filter((error) => !CONTAINERS.has(error.keyword)));
  const told = errors.reduce((best, other) => (depthOf(other) > depthOf(best) ? other : best));
  return [...new Set(told.map(sentence))].slice(0, MOST).map((each) => oneLine(each, LONGEST));
}

/**
 * Throws `CONFIG_UNFIT` (usage) for a plugin configuration that its schema does not allow; `where` names the filter.
 * Without a schema, and when the schema takes too long to decide, everything fits: the module has the last word.
 */
export async function requireFittingConfig(
  schema: ConfigSchema | undefined,
  config: string | undefined,
  where: string,
): Promise<void> {
  if (schema === undefined) return;
  const violations = await configViolations(schema, config);
  const [first, ...more] = violations ?? [];
  if (first === undefined) return;
  const rest = more.length === 0 ? "" : `; ${more.join("; ")}`;
  const fault = (config ?? "") === "" ? "needs a configuration" : "does not take this configuration";
  throw usageError("CONFIG_UNFIT", `${where} ${fault}: ${first}${rest}`, {
    hint:
      (config ?? "") === ""
        ? "pass --config TEXT or --config @FILE; --no-check does without"
        : 'its schema: "wasme inspect IMAGE -o json", or config.schema.json beside the source; --no-check hands it over all the same',
    details: { violations: violations ?? [] },
  });
}

const LIMIT_MS = 1000;
const MOST = 5;
/** A schema may list more than anybody reads. */
const LONGEST = 200;

/** Errors of these only say that something below them is wrong. */
const CONTAINERS: ReadonlySet<string> = new Set([
  "properties",
  "patternProperties",
  "additionalProperties",
  "unevaluatedProperties",
  "items",
  "prefixItems",
  "unevaluatedItems",
  "$ref",
  "$dynamicRef",
  "allOf",
  "if",
  "then",
  "else",
  "dependentSchemas",
]);

function depthOf(errors: readonly OutputUnit[]): number {
  return Math.max(0, ...errors.map((error) => error.instanceLocation.split("/").length));
}

function sentence({ instanceLocation, keyword, error }: OutputUnit): string {
  const place = placeOf(instanceLocation);
  const name = /property "(.*)"/su.exec(error)?.[1];
  if (keyword === "required" && name !== undefined) return `${place} lacks ${JSON.stringify(name)}`;
  if (keyword === "false") return `${place} is not known`;
  const type = /^Instance type "(.*?)" is invalid\. Expected (.*)\.$/u.exec(error);
  if (type !== null) return `${place} is of type ${type[1]}, expected ${type[2]?.replaceAll('"', "")}`;
  return `${place}: ${error.charAt(0).toLowerCase()}${error.slice(1).replace(/\.$/u, "")}`;
}

/** `#/rules/0/prefix` becomes `rules[0].prefix`. */
function placeOf(pointer: string): string {
  const parts = pointer
    .split("/")
    .slice(1)
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));
  const text = parts.map((part) => (/^\d+$/u.test(part) ? `[${part}]` : `.${part}`)).join("");
  return text === "" ? "the configuration" : text.replace(/^\./u, "");
}
