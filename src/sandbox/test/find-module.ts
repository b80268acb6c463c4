import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CONFIG_SCHEMA_FILE, type ConfigSchema } from "../../domain/config-schema.ts";
import { usageError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { readAtMost } from "../../platform/read-file.ts";
import type { ModuleSource, ModuleSourceDeps } from "../module-source.ts";
import type { FindModule, TestModule, WantedModule } from "./plan-cases.ts";

/** The dependencies of a module that has to be built or taken from the store; made only then. */
export type SourceDeps = () => Promise<ModuleSourceDeps>;

/**
 * Finds modules for tests: a compiled file is read at once; a folder is built and an image read with what `run` uses. With
 * nothing said it is the project the test file is in: the nearest folder upwards that a toolchain knows.
 */
export function moduleFinder(deps: SourceDeps, events: EventSink): FindModule {
  return async (wanted) => {
    const { path, image } = wanted;
    if (path !== undefined && (await stat(path).catch(() => undefined))?.isFile() === true) return await fromFile(path);
    const source = path ?? image ?? (await projectOf(wanted));
    const { resolveModule } = await import("../module-source.ts");
    return fromSource(await resolveModule(await deps(), source, events), source);
  };
}

async function fromFile(path: string): Promise<TestModule> {
  const bytes = await readAtMost(path, MAX_MODULE);
  if (bytes === undefined) throw usageError("FILE_TOO_LARGE", `${path} is larger than ${MAX_MODULE} bytes`);
  const found = { key: path, bytes, schema: await schemaBeside(path), sources: [path] };
  const config = join(dirname(path), "runtime-config.json");
  const text = await readAtMost(config, MAX_CONFIG).catch(() => undefined);
  if (text === undefined) return { ...found, rootIds: [] };
  const { parseRuntimeConfig, rootIdsOf } = await import("../../domain/runtime-config.ts");
  const parsed = parseRuntimeConfig(Buffer.from(text).toString("utf8"), config).config;
  return { ...found, rootIds: rootIdsOf(parsed) };
}

/** Most modules have none: what reads it is loaded only then. */
async function schemaBeside(path: string): Promise<ConfigSchema | undefined> {
  const there = await stat(join(dirname(path), CONFIG_SCHEMA_FILE)).catch(() => undefined);
  if (there === undefined) return undefined;
  const { readSchemaFile } = await import("../../images/choose-runtime-config.ts");
  return await readSchemaFile([dirname(path)]);
}

function fromSource({ bytes, rootIds, schema, path }: ModuleSource, key: string): TestModule {
  return { key, bytes, rootIds, schema, sources: path === undefined ? [] : [path] };
}

async function projectOf({ folder }: WantedModule): Promise<string> {
  const { RUNNERS } = await import("../../toolchain/runners.ts");
  let here = folder;
  for (let level = 0; level < LEVELS; level += 1) {
    for (const runner of RUNNERS) if ((await runner.detect(here)) !== undefined) return here;
    if (dirname(here) === here) break;
    here = dirname(here);
  }
  throw usageError("TEST_MODULE_MISSING", `there is no project to build in ${folder} or above it`, {
    hint: "name the module to test: --module FILE.wasm, or filter: {module: FILE.wasm} in the test file",
  });
}

const LEVELS = 5;
const MAX_MODULE = 256 * 1024 * 1024;
const MAX_CONFIG = 1024 * 1024;
