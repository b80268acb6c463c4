import { access } from "node:fs/promises";
import { join } from "node:path";
import type { EventSink } from "../domain/events.ts";
import type { RuntimeConfig } from "../domain/runtime-config.ts";
import { readRuntimeConfigFile } from "./input-files.ts";

/** The runtime config of a build, and the file it comes from; both absent when the module has to tell. */
export interface ChosenConfig {
  readonly config: RuntimeConfig | undefined;
  readonly path: string | undefined;
}

/**
 * Reads the runtime config of a build: the file named by the user, else `runtime-config.json` in the first of
 * `folders` that has one. Throws what {@link readRuntimeConfigFile} throws; a missing file is an error only when the
 * user named it.
 */
export async function chooseRuntimeConfig(
  named: string | undefined,
  folders: readonly string[],
  events: EventSink,
): Promise<ChosenConfig> {
  const path = named ?? (await firstPresent(folders.map((folder) => join(folder, FILE))));
  if (path === undefined) return { config: undefined, path: undefined };
  return { config: await readRuntimeConfigFile(path, events), path };
}

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
