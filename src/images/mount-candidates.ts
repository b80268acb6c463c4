import type { MountSources } from "../domain/content.ts";
import type { Digest } from "../domain/digest.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import { type ImageReference, parseImageReference, repositoryName } from "../domain/image-reference.ts";
import { referencedBy } from "../domain/manifest.ts";
import type { ImageStore, StoreName } from "../store/image-store.ts";
import { notedRegistry } from "./stored-image.ts";

/** Where the blobs of a push may be mounted from. */
export interface MountCandidates {
  readonly sources: MountSources;
  /**
   * Looks in the store which other repositories of the registry have one of these blobs. What is found is given by
   * `sources` from then on; a push that has nothing to upload need not look.
   */
  lookFor(digests: readonly Digest[]): Promise<void>;
}

/**
 * Repositories of the registry of `target` that blobs may be mounted from: first those that a name in the store with this
 * blob is known to have been pushed to or pulled from, then `hints`, for any blob.
 */
export function mountCandidates(
  store: Pick<ImageStore, "names" | "manifest">,
  target: ImageReference,
  hints: readonly string[],
): MountCandidates {
  const found = new Map<Digest, Set<string>>();
  return {
    sources: (digest) => [...new Set([...(found.get(digest) ?? []), ...hints])].slice(0, MAX_CANDIDATES),
    lookFor: async (digests) => {
      const wanted = new Set(digests);
      for (const { repository, descriptor } of elsewhere(await store.names(), target)) {
        for (const digest of await contentOf(store, descriptor)) {
          if (!wanted.has(digest)) continue;
          found.set(digest, (found.get(digest) ?? new Set()).add(repository));
        }
      }
    },
  };
}

/**
 * The repository a user names to mount from: `team/base`, or `ghcr.io/team/base` where `target` is on that registry.
 * Throws `MOUNT_SOURCE_INVALID` (usage): blobs can only be mounted within one registry.
 */
export function parseMountSource(text: string, target: ImageReference): string {
  const own = text.startsWith(`${target.host}/`) ? text : `${target.host}/${text}`;
  const hint = `name a repository of ${target.host}, like team/base`;
  const refuse = (why: string, cause?: unknown): WasmeError =>
    usageError("MOUNT_SOURCE_INVALID", `--mount-from ${JSON.stringify(text.slice(0, 200))}: ${why}`, { hint, cause });
  let named: ImageReference;
  try {
    named = parseImageReference(own);
  } catch (error) {
    throw refuse("it is not a repository", error);
  }
  if (/[@:]/u.test(own.slice(target.host.length))) throw refuse("a repository has no tag and no digest");
  if (own !== text && looksLikeHost(text)) throw refuse("it is on another registry than the image");
  return named.repository;
}

/** `ghcr.io/team/base`, `localhost:5000/base`: what everybody would read as a registry and a path. */
function looksLikeHost(text: string): boolean {
  const [first = "", ...path] = text.split("/");
  return path.length > 0 && (/[.:]/u.test(first) || first === "localhost");
}

/** Names whose content is known to be in another repository of the same registry, each content and repository once. */
function elsewhere(
  names: readonly StoreName[],
  target: ImageReference,
): readonly { readonly repository: string; readonly descriptor: StoreName["descriptor"] }[] {
  const own = repositoryName(target);
  const each = new Map<string, { readonly repository: string; readonly descriptor: StoreName["descriptor"] }>();
  for (const { descriptor } of names) {
    const noted = notedRegistry(descriptor);
    const repository = noted === undefined || noted === own ? undefined : repositoryOn(target.host, noted);
    if (repository !== undefined) each.set(`${repository}@${descriptor.digest}`, { repository, descriptor });
  }
  return [...each.values()];
}

/** Notes are text that anybody may have written: only what names a repository of this registry goes into a request. */
function repositoryOn(host: string, noted: string): string | undefined {
  if (!noted.startsWith(`${host}/`)) return undefined;
  try {
    const parsed = parseImageReference(noted);
    return repositoryName(parsed) === noted ? parsed.repository : undefined;
  } catch {
    return undefined;
  }
}

/** A damaged entry is no candidate. */
async function contentOf(
  store: Pick<ImageStore, "manifest">,
  descriptor: StoreName["descriptor"],
): Promise<readonly Digest[]> {
  try {
    return referencedBy(await store.manifest(descriptor)).map(({ digest }) => digest);
  } catch (error) {
    if (error instanceof WasmeError) return [];
    throw error;
  }
}

/** More would only cost requests where none of them is right. */
const MAX_CANDIDATES = 3;
