import { type Digest, isDigest } from "../domain/digest.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import {
  formatReference,
  type ImageReference,
  parseImageReference,
  repositoryName,
} from "../domain/image-reference.ts";
import type { RemoteRepository } from "./remote.ts";

/** What this needs of one repository of a registry. */
export interface DeletableRepository extends Pick<RemoteRepository, "resolve"> {
  /** All tags; `undefined` when there is no such repository. */
  tags(signal?: AbortSignal): Promise<readonly string[] | undefined>;
  /** Deletes a tag, or by digest a manifest with all its tags; false when there is none. */
  deleteManifest(target: string, signal?: AbortSignal): Promise<boolean>;
}

/** What the registry client offers for this. */
export interface RemoveRemoteDeps {
  readonly registry: { repository(reference: ImageReference, access?: "pull" | "push"): DeletableRepository };
  readonly signal?: AbortSignal;
}

/** Something in a registry that is to be deleted. */
export interface RemoteTarget {
  readonly reference: string;
  /** What it stands for. */
  readonly manifestDigest: Digest;
  /** Tags that are deleted: the one named, or all that the digest has; `undefined` when there are too many to look. */
  readonly tags: readonly string[] | undefined;
}

/**
 * Looks up what is to be deleted, all of it before anything is. Throws `REFERENCE_AMBIGUOUS` (usage) for a reference with
 * tag and digest, `IMAGE_NOT_FOUND` (not found) for one the registry does not have.
 */
export async function findRemote(
  deps: RemoveRemoteDeps,
  request: { readonly references: readonly string[] },
): Promise<readonly RemoteTarget[]> {
  if (request.references.length === 0) throw usageError("REFERENCE_MISSING", "no image named");
  const wanted = new Map(request.references.map((text) => [formatReference(parseExactly(text)), parseExactly(text)]));
  const found: RemoteTarget[] = [];
  for (const [reference, parsed] of wanted) {
    const repository = deps.registry.repository(parsed, "push");
    const descriptor = await repository.resolve(targetOf(parsed), deps.signal);
    if (descriptor === undefined) throw absent(reference);
    const { digest: manifestDigest } = descriptor;
    const tags = parsed.tag === undefined ? await tagsOf(repository, manifestDigest, deps.signal) : [parsed.tag];
    found.push({ reference, manifestDigest, tags });
  }
  return found;
}

/**
 * Deletes what {@link findRemote} found, in order; what is gone already is passed over. Throws `DELETE_UNSUPPORTED`
 * (failed) where the registry does not delete: where it is only tags it does not, the hint says what to type.
 */
export async function removeRemote(
  deps: RemoveRemoteDeps,
  targets: readonly RemoteTarget[],
  events: EventSink = ignoreEvents,
): Promise<void> {
  for (const target of targets) {
    const parsed = parseImageReference(target.reference);
    const repository = deps.registry.repository(parsed, "push");
    events({ type: "milestone", message: `Deleting ${target.reference}` });
    try {
      await repository.deleteManifest(targetOf(parsed), deps.signal);
    } catch (error) {
      if (!(error instanceof WasmeError) || error.code !== "DELETE_UNSUPPORTED" || parsed.tag === undefined)
        throw error;
      throw await byDigest(error, { parsed, target, repository }, deps.signal);
    }
  }
}

function parseExactly(text: string): ImageReference {
  const parsed = parseImageReference(text);
  if (parsed.tag === undefined || parsed.digest === undefined) return parsed;
  throw usageError("REFERENCE_AMBIGUOUS", `${text} names a tag and a digest: only one of them can be deleted`, {
    hint: "name the tag to delete the tag alone, or the digest to delete the image with all its tags",
  });
}

function targetOf({ tag, digest }: ImageReference): string {
  return tag ?? digest ?? "latest";
}

/** Looking a tag up is a request each. */
const MAX_TAGS = 50;
const AT_ONCE = 4;

/** The tags of a digest; `undefined` when that would take too many requests. */
async function tagsOf(
  repository: DeletableRepository,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<readonly string[] | undefined> {
  // Lists of referrers are kept under such tags: no names of images.
  const tags = ((await repository.tags(signal)) ?? []).filter((tag) => !isDigest(tag.replace("-", ":")));
  if (tags.length > MAX_TAGS) return undefined;
  const same: string[] = [];
  for (let at = 0; at < tags.length; at += AT_ONCE) {
    const batch = tags.slice(at, at + AT_ONCE);
    const found = await Promise.all(batch.map((tag) => repository.resolve(tag, signal)));
    same.push(...batch.filter((_tag, index) => found[index]?.digest === digest));
  }
  return same.toSorted();
}

/** The registry does not delete a tag: what the user may do is delete more than was asked for, knowingly. */
async function byDigest(
  refusal: WasmeError,
  about: { readonly parsed: ImageReference; readonly target: RemoteTarget; readonly repository: DeletableRepository },
  signal: AbortSignal | undefined,
): Promise<WasmeError> {
  const { parsed, target, repository } = about;
  const { manifestDigest } = target;
  const tags = await tagsOf(repository, manifestDigest, signal);
  const others = tags?.filter((tag) => tag !== parsed.tag);
  const pinned = `${repositoryName(parsed)}@${manifestDigest}`;
  // What docker-registry says when it takes the tag for a broken digest.
  const isTagOnly = refusal.details?.["registryCode"] === "DIGEST_INVALID";
  const message = isTagOnly
    ? `${parsed.host} does not delete tags: ${parsed.repository}:${parsed.tag ?? ""} is still there`
    : refusal.message;
  return new WasmeError("failed", "DELETE_UNSUPPORTED", message, {
    hint: `${isTagOnly ? "" : "it may delete by digest: "}wasme rm --remote ${pinned} deletes the image${goesWithIt(others)}`,
    details: { ...refusal.details, manifestDigest, ...(others === undefined ? {} : { otherTags: others }) },
    cause: refusal,
  });
}

function goesWithIt(others: readonly string[] | undefined): string {
  if (others === undefined) return " and all its tags";
  if (others.length === 0) return ", which has no other tag";
  return `, and the tag${others.length === 1 ? "" : "s"} ${others.join(", ")} with it`;
}

function absent(reference: string): WasmeError {
  return new WasmeError("not-found", "IMAGE_NOT_FOUND", `the registry has no image ${reference}`, {
    hint: "nothing was deleted; check name and tag, a private repository may need wasme login",
  });
}
