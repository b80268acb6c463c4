import { join } from "node:path";
import { collect } from "../domain/content.ts";
import { digestParts } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { openModule, readImage } from "../images/read-image.ts";
import { schemaText } from "../images/read-schema.ts";
import { findStoredImage } from "../images/stored-image.ts";
import { writeFileAtomic } from "../platform/atomic-file.ts";
import type { Paths } from "../platform/paths.ts";
import type { ImageStore } from "../store/image-store.ts";
import { blobPath, layoutPaths } from "../store/layout.ts";
import { MAX_MODULE } from "../wasm/check-module.ts";

/** An image of the local store whose module is there as a file of its own. */
export interface LocalModule {
  readonly image: ResolvedImage;
  /** The wasm bytes, verified. */
  readonly bytes: Uint8Array;
  /** Makes sure the file exists and gives its absolute path. */
  readonly file: () => Promise<string>;
}

/** What finding it needs. */
export interface LocalModuleDeps {
  readonly store: Pick<ImageStore, "dir" | "resolve" | "entries" | "manifest" | "fetch">;
  readonly paths: Pick<Paths, "home">;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the image in the local store and reads its module. A module that is a layer by itself is used where it lies in
 * the store; a packed one is unpacked to `modules/` in wasme's folder, under its digest. Throws `IMAGE_NOT_FOUND`,
 * `MODULE_TOO_LARGE`, and what store and layout throw.
 */
export async function openLocalModule(deps: LocalModuleDeps, reference: ImageReference): Promise<LocalModule> {
  const { store, signal } = deps;
  const where = formatReference(reference);
  const stored = await findStoredImage(store, reference);
  const contents = await readImage(store, stored.manifest, { where, signal });
  const stream = openModule(store, contents.layout, { where, signal });
  const bytes = await collect(stream, MAX_MODULE, () => tooLarge(where));
  const { layout, module, runtimeConfig } = contents;
  const configSchema = schemaText(stored.manifest);
  return {
    image: {
      reference,
      source: "store",
      format: layout.format,
      manifestDigest: stored.descriptor.digest,
      moduleDigest: module.digest,
      moduleSize: module.size,
      runtimeConfig,
      ...(configSchema === undefined ? {} : { configSchema }),
    },
    bytes,
    file: async () => {
      if (layout.packing === "raw") return blobPath(layoutPaths(store.dir), module.digest);
      const path = join(deps.paths.home, "modules", `${digestParts(module.digest).hex}.wasm`);
      await writeFileAtomic(path, bytes);
      return path;
    },
  };
}

function tooLarge(where: string): Error {
  return new WasmeError(
    "incompatible",
    "MODULE_TOO_LARGE",
    `the module of ${where} is larger than ${MAX_MODULE} bytes`,
    {
      hint: "strip it and optimise for size",
    },
  );
}
