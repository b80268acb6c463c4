import { parseRange } from "./byte-range.ts";
import { type Exchange, requireDigest } from "./registry-exchange.ts";
import { RegistryRefusal, replyEmpty } from "./registry-reply.ts";
import type { UploadSession } from "./upload-sessions.ts";

/** POST: starts an upload, takes a whole blob (`?digest=`), or finds it in the store already (`?mount=`). */
export async function startUpload(exchange: Exchange, repository: string): Promise<void> {
  const { query, store, uploads, request } = exchange;
  const mount = query.get("mount");
  if (mount !== null && (await store.sizeOf(requireDigest(mount))) !== undefined) {
    replyCreated(exchange, repository, mount);
    return;
  }
  const digest = mount === null ? query.get("digest") : null;
  const wanted = digest === null ? undefined : requireDigest(digest);
  const session = await uploads.start(repository);
  if (wanted === undefined) {
    replyProgress(exchange, session, 202);
    return;
  }
  await uploads.append(session, request, wanted);
  await uploads.finish(session, wanted);
  replyCreated(exchange, repository, wanted);
}

/** PATCH: appends a piece; `content-range`, when given, must go on where the last one ended. */
export async function appendUpload(exchange: Exchange, repository: string, id: string): Promise<void> {
  const { uploads, request } = exchange;
  const session = uploads.find(repository, id);
  checkContinues(exchange, session);
  await uploads.append(session, request);
  replyProgress(exchange, session, 202);
}

/** PUT: the last piece, possibly empty, and the digest of the whole. */
export async function finishUpload(exchange: Exchange, repository: string, id: string): Promise<void> {
  const { uploads, request, query } = exchange;
  const session = uploads.find(repository, id);
  const digest = requireDigest(query.get("digest"));
  checkContinues(exchange, session);
  await uploads.append(session, request, digest);
  await uploads.finish(session, digest);
  replyCreated(exchange, repository, digest);
}

/** GET: how much has arrived. */
export function showUpload(exchange: Exchange, repository: string, id: string): void {
  replyProgress(exchange, exchange.uploads.find(repository, id), 204);
}

/** DELETE: forgets the upload. */
export async function cancelUpload(exchange: Exchange, repository: string, id: string): Promise<void> {
  await exchange.uploads.cancel(exchange.uploads.find(repository, id));
  replyEmpty(exchange.response, 204, {});
}

function checkContinues(exchange: Exchange, session: UploadSession): void {
  const header = exchange.request.headers["content-range"];
  if (header === undefined) return;
  const range = parseRange(header.replace(/^bytes /u, ""));
  if (range !== undefined && range.start === session.size) return;
  throw new RegistryRefusal(416, "BLOB_UPLOAD_INVALID", `the next byte is ${session.size}`, progressHeaders(session));
}

function replyProgress(exchange: Exchange, session: UploadSession, status: number): void {
  replyEmpty(exchange.response, status, progressHeaders(session));
}

/** The range of an empty upload is `0-0` too: that is how the protocol writes it. */
function progressHeaders(session: UploadSession): Record<string, string> {
  return {
    location: `/v2/${session.repository}/blobs/uploads/${session.id}`,
    range: `0-${Math.max(0, session.size - 1)}`,
    "docker-upload-uuid": session.id,
  };
}

function replyCreated(exchange: Exchange, repository: string, digest: string): void {
  const location = `/v2/${repository}/blobs/${digest}`;
  replyEmpty(exchange.response, 201, { location, "docker-content-digest": digest });
}
