import { pipeline } from "node:stream/promises";
import { requestedRange } from "./byte-range.ts";
import { type Exchange, requireDigest } from "./registry-exchange.ts";
import { RegistryRefusal, replyEmpty } from "./registry-reply.ts";

/**
 * GET and HEAD of a blob, whole (verified on its way: a damaged one cuts the connection) or a part of it. All
 * repositories of the store share their content.
 */
export async function serveBlob(exchange: Exchange, _repository: string, text: string): Promise<void> {
  const { store, request, response } = exchange;
  const digest = requireDigest(text);
  const size = await store.sizeOf(digest);
  if (size === undefined) throw new RegistryRefusal(404, "BLOB_UNKNOWN", `there is no blob ${digest}`);
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    etag: `"${digest}"`,
  };
  if (request.headers["if-none-match"] === headers.etag) {
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
      ? store.fetch({ mediaType: headers["content-type"], digest, size })
      : store.read(digest, { start: range.start, end: range.end + 1 });
  await pipeline(bytes, response);
}
