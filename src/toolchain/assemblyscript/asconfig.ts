import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isObject, tryParseJson } from "../../domain/json.ts";

/**
 * The file a target of `asconfig.json` is compiled to, absolute, as the compiler reads it: the target's `outFile`,
 * else the general one, else that of the file it extends. `undefined` when none says it; a broken file says nothing
 * here, the compiler itself will tell.
 */
export async function configuredOutput(file: string, target: string): Promise<string | undefined> {
  const seen = new Set<string>();
  for (let path: string | undefined = file; path !== undefined && !seen.has(path);) {
    seen.add(path);
    const config = tryParseJson(await readFile(path, "utf8").catch(() => ""));
    if (!isObject(config)) return undefined;
    const targets = isObject(config["targets"]) ? config["targets"] : {};
    const output = outFileOf(targets[target]) ?? outFileOf(config["options"]);
    if (output !== undefined) return resolve(dirname(path), output);
    const parent: unknown = config["extends"];
    path = typeof parent === "string" ? resolve(dirname(path), parent) : undefined;
  }
  return undefined;
}

function outFileOf(options: unknown): string | undefined {
  const output = isObject(options) ? options["outFile"] : undefined;
  return typeof output === "string" && output !== "" ? output : undefined;
}
