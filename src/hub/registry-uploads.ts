import type { Digest } from "../domain/digest.ts";
import { parseRange } from "../platform/byte-range.ts";
import { type Exchange, requireDigest } from "./registry-exchange.ts";
import { RegistryRefusal, replyEmpty } from "./registry-reply.ts";
import type { UploadSession } from "./upload-sessions.ts";

/**
 * POST: starts an upload, takes a whole blob (`?digest=`), or finds it in another repository (`?mount=&from=`; in any,
 * without `from`).
 */
export async function startUpload(exchange: Exchange, repository: string): Promise<void> {
  const { query, uploads } = exchange;
  const mount = query.get("mount");
  if (mount !== null) {
    const wanted = requireDigest(mount);
    if (await canMount(exchange, wanted)) {
      replyCreated(exchange, repository, wanted);
      return;
    }
  }
  const given = mount === null ? query.get("digest") : null;
  const digest = given === null ? undefined : requireDigest(given);
  const session = await uploads.start(repository, query.get("digest-algorithm") ?? undefined);
  if (digest === undefined) {
    replyProgress(exchange, session, 202);
    return;
  }
  try {
    await uploads.finish(session, bodyOf(exchange), digest);
  } catch (error) {
    // The client was not told of the session, so nobody can go on with it.
    await uploads.cancel(session).catch(() => undefined);
    throw error;
  }
  replyCreated(exchange, repository, digest);
}

/** PATCH: appends a piece; `content-range`, when given, must go on where the last one ended. */
export async function appendUpload(exchange: Exchange, repository: string, id: string): Promise<void> {
  const { uploads } = exchange;
  const session = uploads.find(repository, id);
  checkContinues(exchange, session);
  await uploads.append(session, bodyOf(exchange));
  replyProgress(exchange, session, 202);
}

/** PUT: the last piece, possibly empty, and the digest of the whole. */
export async function finishUpload(exchange: Exchange, repository: string, id: string): Promise<void> {
  const { uploads, query } = exchange;
  const session = uploads.find(repository, id);
  const digest = requireDigest(query.get("digest"));
  checkContinues(exchange, session);
  await uploads.finish(session, bodyOf(exchange), digest);
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

async function canMount({ repositories, query }: Exchange, digest: Digest): Promise<boolean> {
  const from = query.get("from");
  if (from === null || from === "") return await repositories.anywhere(digest);
  return (await repositories.sizeOf(from, digest)) !== undefined;
}

/** The body; leaving it early does not cut the connection, so that the answer still arrives. */
function bodyOf({ request }: Exchange): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false });
}

function checkContinues(exchange: Exchange, session: UploadSession): void {
  const header = exchange.request.headers["content-range"];
  if (header === undefined) return;
  const range = parseRange(header.replace(/^bytes /u, ""));
  if (range === undefined) {
    throw new RegistryRefusal(400, "BLOB_UPLOAD_INVALID", `content-range is not START-END: ${JSON.stringify(header)}`);
  }
  if (range.start !== session.size) {
    const headers = progressHeaders(session);
    throw new RegistryRefusal(416, "BLOB_UPLOAD_INVALID", `the next byte is ${session.size}`, { headers });
  }
  const length = exchange.request.headers["content-length"];
  if (length === undefined || Number(length) === range.end - range.start + 1) return;
  throw new RegistryRefusal(400, "SIZE_INVALID", `content-range ${header} is not ${length} bytes`);
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

/** From now on the repository has the blob. */
function replyCreated({ repositories, response }: Exchange, repository: string, digest: Digest): void {
  repositories.addBlob(repository, digest);
  const location = `/v2/${repository}/blobs/${digest}`;
  replyEmpty(response, 201, { location, "docker-content-digest": digest });
}
