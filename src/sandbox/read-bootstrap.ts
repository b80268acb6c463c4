import { messageOf, usageError } from "../domain/errors.ts";
import { isObject, type JsonObject } from "../domain/json.ts";

/** More than any bootstrap written by hand. Bytes. */
export const MAX_BOOTSTRAP: number = 4 * 1024 * 1024;

/** Aliases may be resolved so often: enough for real files, too few to unfold a bomb. */
const MAX_ALIASES = 1000;

/**
 * Parses an Envoy bootstrap, YAML or JSON, strictly: no key twice, one document. `where` names it in errors.
 * Throws `BOOTSTRAP_INVALID` (usage).
 */
export async function parseBootstrap(text: string, where: string): Promise<JsonObject> {
  if (Buffer.byteLength(text) > MAX_BOOTSTRAP) throw invalid(where, `it is larger than ${MAX_BOOTSTRAP} bytes`);
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { strict: true, uniqueKeys: true, prettyErrors: true, stringKeys: true });
  const [first] = document.errors;
  if (first !== undefined) throw invalid(where, firstLine(first.message), first);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
    JSON.stringify(value); // throws for an anchor that holds itself
  } catch (error) {
    throw invalid(where, firstLine(messageOf(error)), error);
  }
  if (!isObject(value)) throw invalid(where, "it is not an object");
  return value as JsonObject;
}

/** A bootstrap as text: JSON for a `.json` file, else YAML. */
export async function formatBootstrap(bootstrap: JsonObject, file: string): Promise<string> {
  if (file.endsWith(".json")) return `${JSON.stringify(bootstrap, undefined, 2)}\n`;
  const { stringify } = await import("yaml");
  // 1.1: Envoy takes an unquoted `on` or `y` for a truth value, and a plugin config may be that.
  return stringify(bootstrap, { lineWidth: 0, version: "1.1", aliasDuplicateObjects: false });
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0]?.replace(/:$/u, "") ?? message;
}

function invalid(where: string, why: string, cause?: unknown): Error {
  return usageError("BOOTSTRAP_INVALID", `${where} is not an Envoy bootstrap: ${why}`, {
    hint: "it is Envoy's v3 configuration in YAML or JSON, with static_resources.listeners",
    ...(cause === undefined ? {} : { cause }),
  });
}
