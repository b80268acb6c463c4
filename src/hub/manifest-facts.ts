import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type ParsedManifest, referencedBy } from "../domain/manifest.ts";
import type { ImageStore } from "../store/image-store.ts";

/** What the registry needs to know of a manifest beside its bytes. */
export interface ManifestFacts {
  readonly kind: "image" | "index";
  /** Config and layers, or the children of an index. */
  readonly references: readonly Descriptor[];
  readonly subject: Digest | undefined;
  /** As a list of referrers names it: an image without one has the type of its config, an index none. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** Reads facts, `undefined` where the manifest is missing or damaged. */
export type ReadFacts = (descriptor: Descriptor) => Promise<ManifestFacts | undefined>;

/** Facts of parsed content. */
export function factsOf(parsed: ParsedManifest): ManifestFacts {
  const inner = parsed.kind === "index" ? parsed.index : parsed.manifest;
  return {
    kind: parsed.kind,
    references: referencedBy(parsed),
    subject: inner.subject?.digest,
    artifactType: inner.artifactType ?? (parsed.kind === "image" ? parsed.manifest.config.mediaType : undefined),
    annotations: inner.annotations,
  };
}

/** Reads facts from a store and remembers them: content never changes under its digest. */
export function rememberFacts(store: ImageStore): ReadFacts {
  const known = new Map<Digest, ManifestFacts>();
  return async (descriptor) => {
    const before = known.get(descriptor.digest);
    if (before !== undefined) return before;
    try {
      const facts = factsOf(await store.manifest(descriptor));
      if (descriptor.size <= SMALL) known.set(descriptor.digest, facts);
      const [oldest] = known.keys();
      if (known.size > MOST && oldest !== undefined) known.delete(oldest);
      return facts;
    } catch (error) {
      if (error instanceof WasmeError) return undefined;
      throw error;
    }
  };
}

/** Bytes; larger manifests are read again each time. With {@link MOST} it bounds the memory. */
const SMALL = 16 * 1024;
const MOST = 4096;
