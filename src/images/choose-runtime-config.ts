import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CONFIG_SCHEMA_FILE, type ConfigSchema, parseConfigSchema } from "../domain/config-schema.ts";
import type { EventSink } from "../domain/events.ts";
import type { RuntimeConfig } from "../domain/runtime-config.ts";
import { readInputFile, readRuntimeConfigFile } from "./input-files.ts";

/** The runtime config of a build, and the file it comes from; both absent when the module has to tell. */
export interface ChosenConfig {
  readonly config: RuntimeConfig | undefined;
  readonly path: string | undefined;
  /** Of the plugin configuration: `config.schema.json` beside the runtime config, or in its place. */
  readonly schema: ConfigSchema | undefined;
}

/**
 * Reads the runtime config of a build: the file named by the user, else `runtime-config.json` in the first of
 * `folders` that has one. Throws what {@link readRuntimeConfigFile} throws, and `CONFIG_SCHEMA_INVALID` (usage); a
 * missing file is an error only when the user named it.
 */
export async function chooseRuntimeConfig(
  named: string | undefined,
  folders: readonly string[],
  events: EventSink,
): Promise<ChosenConfig> {
  const path = named ?? (await firstPresent(folders.map((folder) => join(folder, FILE))));
  const schema = await readSchemaFile(path === undefined ? folders : [dirname(path)]);
  if (path === undefined) return { config: undefined, path: undefined, schema };
  return { config: await readRuntimeConfigFile(path, events), path, schema };
}

/** Reads `config.schema.json` in the first of `folders` that has one. Throws `CONFIG_SCHEMA_INVALID` (usage). */
export async function readSchemaFile(folders: readonly string[]): Promise<ConfigSchema | undefined> {
  const path = await firstPresent(folders.map((folder) => join(folder, CONFIG_SCHEMA_FILE)));
  if (path === undefined) return undefined;
  const bytes = await readInputFile(path, "configuration schema", MAX_SCHEMA_FILE);
  return parseConfigSchema(Buffer.from(bytes).toString("utf8"), path);
}

/** Bytes, with all the white space of a file. */
const MAX_SCHEMA_FILE = 1024 * 1024;

const FILE = "runtime-config.json";

async function firstPresent(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return undefined;
}
