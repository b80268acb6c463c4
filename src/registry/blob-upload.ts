import type { BodySource } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { WasmeError } from "../domain/errors.ts";
import { blobIsThere } from "./blob-exists.ts";
import { reportProgress } from "./progress.ts";
import { redirectTarget } from "./redirects.ts";
import type { RepositoryContext } from "./repository-context.ts";
import { type RetryBudget, TransientError, withRetry } from "./retry.ts";

/** One upload in progress. */
interface Upload {
  readonly context: RepositoryContext;
  readonly descriptor: Descriptor;
  readonly body: BodySource;
  readonly signal: AbortSignal | undefined;
  readonly budget: RetryBudget;
}

/** How long the farewell to an abandoned session may take. Milliseconds. */
const FAREWELL_MS = 2000;

/**
 * Uploads a blob in one PUT (distribution spec, "POST then PUT"). A failure that may pass starts over, after a look
 * whether the blob arrived and only the answer was lost. An abandoned session is deleted.
 * Throws `UPLOAD_REFUSED` (failed) when the registry breaks the protocol, and errors of the registry.
 */
export async function uploadBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  body: BodySource,
  signal?: AbortSignal,
): Promise<void> {
  const upload: Upload = { context, descriptor, body, signal, budget: context.session.budget(signal) };
  let location: URL | undefined;
  let sent = false;
  try {
    await withRetry(upload.budget, async () => {
      if (sent && (await blobIsThere(context, descriptor, signal))) return;
      location = await startUpload(upload);
      sent = true;
      await putBody(upload, location);
    });
  } catch (error) {
    if (location !== undefined) await cancelUpload(context, location);
    throw error;
  }
}

async function startUpload(upload: Upload): Promise<URL> {
  const { context, signal, budget } = upload;
  const request = {
    method: "POST",
    target: `${context.repository}/blobs/uploads/`,
    repository: context.repository,
    scopes: context.scopes(),
    action: `write ${context.name}`,
    signal,
    budget,
  };
  const followed = await context.session.once(request);
  const { response, url } = followed;
  if (response.status !== 202) throw await context.session.refusal(followed, request);
  response.discard();
  return locationOf(upload, response.headers.location, url);
}

/** Location may be relative or absolute, elsewhere too; its query is kept as it is. */
function locationOf({ context }: Upload, location: string | undefined, from: URL): URL {
  if (location !== undefined) return redirectTarget(location, from, context.session.origin);
  throw new WasmeError("failed", "UPLOAD_REFUSED", `${context.session.host} started an upload without saying where`);
}

async function putBody(upload: Upload, location: URL): Promise<void> {
  const { context, descriptor, body, signal, budget } = upload;
  const { session } = context;
  const target = new URL(`${location.href}${location.search === "" ? "?" : "&"}digest=${descriptor.digest}`);
  const request = {
    method: "PUT",
    target,
    headers: { "content-type": "application/octet-stream" },
    body,
    onSent: reportProgress(session.deps.events, descriptor, "upload"),
    repository: context.repository,
    scopes: context.scopes(),
    action: `write ${context.name}`,
    signal,
    budget,
  };
  const followed = await session.once(request);
  const { response } = followed;
  if (response.status === 201 || response.status === 204) {
    response.discard();
    return;
  }
  // A session that is gone was ended by an earlier try, or by the registry's own clean-up: a new one may do.
  const error = await session.refusal(followed, request);
  if (response.status === 404 && error instanceof WasmeError) throw new TransientError(error);
  throw error;
}

/** Tells the registry that nothing more will come. Whatever it answers, the upload is over. */
async function cancelUpload(context: RepositoryContext, location: URL): Promise<void> {
  const { session } = context;
  try {
    const { response } = await session.once({
      method: "DELETE",
      target: location,
      repository: context.repository,
      scopes: context.scopes(),
      action: "end an upload",
      signal: AbortSignal.timeout(FAREWELL_MS),
    });
    response.discard();
  } catch {
    // The session times out by itself.
  }
}
