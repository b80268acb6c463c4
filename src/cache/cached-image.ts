import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, isDigest } from "../domain/digest.ts";
import { isObject } from "../domain/json.ts";

/** An image whose module is, or was, on this node: what is needed to answer for it without asking its registry. */
export interface CachedImage {
  /** What the reference pointed to: the image's manifest, or an index that holds it. */
  readonly top: Digest;
  readonly manifest: CachedBlob;
  /** The layer that is the module or holds it. */
  readonly layer: Digest;
  readonly module: Digest;
  /** Size of the module. */
  readonly bytes: number;
  /** Everything the manifest points to but the module itself: kept beside the modules. */
  readonly blobs: readonly CachedBlob[];
  /** True when it took a credential to read it: whoever asks must know a digest of it then. */
  readonly isPrivate: boolean;
}

/** Content by digest. */
export type CachedBlob = Pick<Descriptor, "mediaType" | "digest" | "size">;

/** Reads what was stored; `undefined` for anything else. */
export function parseCachedImage(value: unknown): CachedImage | undefined {
  if (!isObject(value)) return undefined;
  const { top, layer, module, bytes, isPrivate, blobs } = value;
  const manifest = parseBlob(value["manifest"]);
  if (manifest === undefined || !digest(top) || !digest(layer) || !digest(module)) return undefined;
  if (typeof bytes !== "number" || typeof isPrivate !== "boolean" || !Array.isArray(blobs)) return undefined;
  const parsed = blobs.map(parseBlob).filter((blob) => blob !== undefined);
  return { top, manifest, layer, module, bytes, isPrivate, blobs: parsed };
}

function parseBlob(value: unknown): CachedBlob | undefined {
  if (!isObject(value)) return undefined;
  const { mediaType, digest: found, size } = value;
  if (typeof mediaType !== "string" || !digest(found) || typeof size !== "number") return undefined;
  return { mediaType, digest: found, size };
}

function digest(value: unknown): value is Digest {
  return typeof value === "string" && isDigest(value);
}
