import { mkdtemp, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { ConfigSchema } from "../domain/config-schema.ts";
import { type Digest, digestOf } from "../domain/digest.ts";
import { usageError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { formatReference, parseImageReference } from "../domain/image-reference.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { chooseRuntimeConfig } from "../images/choose-runtime-config.ts";
import { readInputFile } from "../images/input-files.ts";
import { readSchemaOrWarn } from "../images/read-schema.ts";
import { writeError } from "../platform/atomic-file.ts";
import type { Paths } from "../platform/paths.ts";
import { buildModule } from "../toolchain/build-module.ts";
import { checkSource, detectLanguage } from "../toolchain/detect.ts";
import type { ToolchainDeps } from "../toolchain/runner.ts";
import { RUNNERS } from "../toolchain/runners.ts";
import { MAX_MODULE } from "../wasm/check-module.ts";
import { type LocalModuleDeps, openLocalModule } from "./local-module.ts";

/** A module found by what the user typed: an image of the local store, a compiled file, or a project's folder. */
export interface ModuleSource {
  readonly kind: "image" | "file" | "folder";
  /** As messages call it: the full reference, or the path as typed. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Of the bytes. */
  readonly digest: Digest;
  /** Root ids by the image's runtime config, or by `runtime-config.json` in the folder or beside the file. */
  readonly rootIds: readonly string[];
  /** Of its plugin configuration: the image's annotation, or `config.schema.json` in the folder or beside the file. */
  readonly schema: ConfigSchema | undefined;
  /** The folder or file it was made of, absolute; `undefined` for images. */
  readonly path: string | undefined;
  /** Milliseconds the compiler took; 0 where none ran. */
  readonly compileMs: number;
  /** Reads the file or builds the folder again; absent for images, which do not change. */
  readonly rebuild?: (events: EventSink) => Promise<ModuleSource>;
}

/** What finding, reading and building needs. */
export interface ModuleSourceDeps extends LocalModuleDeps, ToolchainDeps {
  readonly signal: AbortSignal;
  readonly cwd: string;
  readonly paths: Pick<Paths, "home" | "tmp">;
}

/**
 * Finds the module a `REF`, `FILE` or `DIR` means and reads its bytes, unchecked. What exists as a path is one; else it
 * is an image of the local store, which is never fetched here. A folder is built by its toolchain, and nothing is
 * stored. Throws `FILE_NOT_FOUND` and others of files (usage), `IMAGE_NOT_FOUND`, what reading the store throws, and
 * the toolchain's errors.
 */
export async function resolveModule(deps: ModuleSourceDeps, source: string, events: EventSink): Promise<ModuleSource> {
  const path = resolve(deps.cwd, source);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return await fromFolder(deps, { source, path }, events);
  if (found !== undefined) return await fromFile({ source, path }, events);
  if (LOOKS_LIKE_PATH.test(source)) {
    throw usageError("FILE_NOT_FOUND", `there is no file or folder ${source}`, {
      hint: "name a compiled module (.wasm), a project's folder, or an image of the local store",
    });
  }
  return await fromStore(deps, source, events);
}

const LOOKS_LIKE_PATH = /^(?:\.{0,2}[/\\]|\.{1,2}$|~)|\.wasm$|\\/u;

interface Place {
  readonly source: string;
  /** Absolute. */
  readonly path: string;
}

async function fromStore(deps: ModuleSourceDeps, source: string, events: EventSink): Promise<ModuleSource> {
  const reference = parseImageReference(source);
  const { image, bytes } = await openLocalModule(deps, reference);
  const name = formatReference(reference);
  return {
    kind: "image",
    name,
    bytes,
    digest: image.moduleDigest,
    rootIds: rootIdsOf(image.runtimeConfig),
    schema: readSchemaOrWarn(image.configSchema, name, events),
    path: undefined,
    compileMs: 0,
  };
}

async function fromFile({ source, path }: Place, events: EventSink): Promise<ModuleSource> {
  const bytes = await readInputFile(path, "module", MAX_MODULE);
  const { config, schema } = await chooseRuntimeConfig(undefined, [dirname(path)], events);
  return {
    kind: "file",
    name: source,
    bytes,
    digest: digestOf(bytes),
    rootIds: rootIdsOf(config),
    schema,
    path,
    compileMs: 0,
    rebuild: async (sink) => await fromFile({ source, path }, sink),
  };
}

async function fromFolder(deps: ModuleSourceDeps, { source, path }: Place, events: EventSink): Promise<ModuleSource> {
  await checkSource(path);
  const runner = await detectLanguage(path, RUNNERS);
  const { config, schema } = await chooseRuntimeConfig(undefined, [path], events);
  const outDir = await temporaryFolder(deps.paths.tmp);
  try {
    const started = performance.now();
    // Making it smaller takes longer than all the rest of a rebuild, and changes nothing that it does.
    const request = { source: path, outDir, builder: "auto", install: true, optimize: false } as const;
    const built = await buildModule(deps, runner, request, events);
    const compileMs = performance.now() - started;
    deps.signal.throwIfAborted();
    const bytes = await readInputFile(built.modulePath, "built module", MAX_MODULE);
    return {
      kind: "folder",
      name: source === "." ? basename(path) : source,
      bytes,
      digest: digestOf(bytes),
      rootIds: rootIdsOf(config),
      schema,
      path,
      compileMs,
      rebuild: async (sink) => await fromFolder(deps, { source, path }, sink),
    };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}

async function temporaryFolder(tmp: string): Promise<string> {
  const prefix = join(tmp, "wasme-build-");
  try {
    return await mkdtemp(prefix);
  } catch (error) {
    throw writeError(error, prefix);
  }
}
