import { dirname, relative, resolve } from "node:path";
import type { EventSink } from "../domain/events.ts";
import { parseImageReference } from "../domain/image-reference.ts";
import { chooseRuntimeConfig } from "./choose-runtime-config.ts";
import { type StoredModule, storeModule, type StoreModuleDeps } from "./store-module.ts";
import { requireTag } from "./tag-image.ts";

/** A compiled module to store. Relative paths start at the working directory. */
export interface BuildPrecompiledRequest {
  /** The image's name as typed; it must not hold a digest. */
  readonly tag: string;
  readonly file: string;
  /**
   * Runtime config file; else `runtime-config.json` beside the module, else in the working directory (the old tool's
   * place), else derived from the module.
   */
  readonly runtimeConfig?: string;
  /** False: a module that no proxy will load is stored all the same, with a warning. */
  readonly check: boolean;
  /** The time to write into the image; none when absent. */
  readonly created?: Date;
}

/**
 * Stores a compiled module as an image. Throws usage errors for a bad name, a missing file and what is not wasm, and
 * `incompatible` for a component or a module that no proxy will load.
 */
export async function buildPrecompiled(
  deps: StoreModuleDeps & { readonly cwd: string },
  request: BuildPrecompiledRequest,
  events: EventSink,
): Promise<StoredModule> {
  const reference = parseImageReference(request.tag);
  requireTag(reference);
  const file = resolve(deps.cwd, request.file);
  const named = request.runtimeConfig === undefined ? undefined : resolve(deps.cwd, request.runtimeConfig);
  const config = await chooseRuntimeConfig(named, [dirname(file), deps.cwd], events);
  if (config.path !== undefined && named === undefined) {
    events({ type: "milestone", message: `Runtime config: ${relative(deps.cwd, config.path)}` });
  }
  const { check, created } = request;
  const module = { file, title: request.file, reference, config, check, facts: undefined, created, out: undefined };
  return await storeModule(deps, module, events);
}
