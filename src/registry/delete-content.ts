import { type Digest, isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { fetchManifest } from "./manifests.ts";
import { subjectOf, unlistReferrer } from "./referrers-tag.ts";
import type { RepositoryContext } from "./repository-context.ts";

/**
 * Deletes a tag, or by digest a manifest with all its tags (distribution spec 1.1, "Deleting Tags", "Deleting
 * Manifests"); never more than was named. A referrer is taken off the list of its subject where clients keep that.
 * False when there is none. Throws `DELETE_UNSUPPORTED` (failed) where the registry does not do it.
 */
export async function deleteManifest(
  context: RepositoryContext,
  target: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const subject = isDigest(target) ? await findSubject(context, target, signal) : undefined;
  const done = await remove(context, { path: `manifests/${target}`, what: named(context, target) }, signal);
  if (subject !== undefined && isDigest(target)) await unlistReferrer(context, { subject, digest: target }, signal);
  return done;
}

/** Deletes a blob of a repository; false when there is none. Throws `DELETE_UNSUPPORTED` (failed). */
export async function deleteBlob(context: RepositoryContext, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  return remove(context, { path: `blobs/${digest}`, what: named(context, digest) }, signal);
}

/** What the list of clients may have it under; `undefined` where the registry keeps the list. */
async function findSubject(
  context: RepositoryContext,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  const { session, repository } = context;
  const { referrers } = await session.quirks();
  if (referrers === "api" || (referrers === "probe" && session.learned.referrersApi?.get(repository) === true))
    return undefined;
  try {
    const served = await fetchManifest(context, digest, signal);
    return served && subjectOf(served.bytes);
  } catch (error) {
    if (error instanceof WasmeError && error.code.startsWith("MANIFEST_")) return undefined; // damaged: all the more to be deleted
    throw error;
  }
}

async function remove(
  context: RepositoryContext,
  { path, what }: { readonly path: string; readonly what: string },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { session, repository } = context;
  context.willWrite();
  const budget = session.budget(signal);
  const request = {
    method: "DELETE",
    target: `${repository}/${path}`,
    repository,
    scopes: context.scopes(),
    action: `delete ${what}`,
    signal,
    budget,
  };
  const followed = await session.send(request);
  const { response } = followed;
  const { status } = response;
  if (DONE.has(status) || status === 404) {
    response.discard();
    return status !== 404 || budget.failures > 0; // an earlier try whose answer was lost did it
  }
  const refusal = await session.refusal(followed, request);
  if (!UNSUPPORTED.has(status)) throw refusal;
  throw new WasmeError("failed", "DELETE_UNSUPPORTED", refusal.message, {
    hint: "the registry does not delete, or not this way: see its settings or its own web page",
    details: refusal.details ?? {},
    cause: refusal,
  });
}

const DONE: ReadonlySet<number> = new Set([200, 202, 204]);
const UNSUPPORTED: ReadonlySet<number> = new Set([400, 405, 501]);

function named({ repository }: RepositoryContext, target: string): string {
  return `${repository}${isDigest(target) ? "@" : ":"}${target}`;
}
