import { pipeline } from "node:stream/promises";
import { requestedRange } from "../platform/byte-range.ts";
import { type Exchange, isUnchanged, requireDigest } from "./registry-exchange.ts";
import { RegistryRefusal, replyEmpty } from "./registry-reply.ts";

/** GET and HEAD of a blob, whole (verified on its way: a damaged one cuts the connection) or a part of it. */
export async function serveBlob(exchange: Exchange, repository: string, text: string): Promise<void> {
  const { repositories, store, request, response } = exchange;
  const digest = requireDigest(text);
  const size = await repositories.sizeOf(repository, digest);
  if (size === undefined) throw unknownBlob(repository, text);
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    etag: `"${digest}"`,
  };
  if (isUnchanged(request, digest)) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = requestedRange(request.headers.range, size);
  if (range === "unsatisfiable") {
    replyEmpty(response, 416, { "content-range": `bytes */${size}` });
    return;
  }
  const length = range === undefined ? size : range.end - range.start + 1;
  const extent = range === undefined ? {} : { "content-range": `bytes ${range.start}-${range.end}/${size}` };
  response.writeHead(range === undefined ? 200 : 206, { ...headers, ...extent, "content-length": length });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const bytes =
    range === undefined
      ? withheldEnd(store.fetch({ mediaType: headers["content-type"], digest, size }))
      : store.read(digest, { start: range.start, end: range.end + 1 });
  await pipeline(bytes, response);
}

/**
 * DELETE: takes a blob away from the repository; other repositories keep theirs. One that a manifest of the repository
 * needs stays, since a pull would fail in the middle: that manifest is to be deleted first.
 */
export async function deleteBlob(exchange: Exchange, repository: string, text: string): Promise<void> {
  const { repositories, response } = exchange;
  const digest = requireDigest(text);
  if ((await repositories.sizeOf(repository, digest)) === undefined) throw unknownBlob(repository, text);
  const user = await repositories.userOf(repository, digest);
  if (user !== undefined) {
    throw new RegistryRefusal(405, "UNSUPPORTED", `the manifest ${user} needs this blob: delete that first`, {
      headers: { allow: "GET, HEAD" },
      details: [{ manifest: user }],
    });
  }
  await repositories.removeBlob(repository, digest);
  replyEmpty(response, 202, {});
}

/** Sends the last piece only once the stream has ended well: a damaged blob must never arrive complete. */
async function* withheldEnd(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (held !== undefined) yield held;
}

function unknownBlob(repository: string, digest: string): RegistryRefusal {
  return new RegistryRefusal(404, "BLOB_UNKNOWN", `there is no blob ${digest} in ${repository}`, {
    details: [{ digest }],
  });
}
