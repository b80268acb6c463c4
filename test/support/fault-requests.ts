import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** What a request is about. */
export type RequestClass =
  | "ping"
  | "token"
  | "manifest.get"
  | "manifest.head"
  | "manifest.put"
  | "manifest.delete"
  | "blob.get"
  | "blob.head"
  | "blob.delete"
  | "upload.post"
  | "upload.patch"
  | "upload.put"
  | "upload.get"
  | "upload.delete"
  | "tags"
  | "catalog"
  | "referrers"
  | "other";

/** A request that arrived, on the registry itself or on the other origin. */
export interface RecordedRequest {
  readonly kind: RequestClass;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly origin: "registry" | "elsewhere";
  /** Bytes of the body that have arrived so far. */
  readonly received: number;
  /** Digest of what has arrived so far. */
  readonly bodyDigest: string;
}

/** Writes a request down; its body is counted and hashed as it comes, whoever reads it. */
export function record(request: IncomingMessage, origin: RecordedRequest["origin"]): RecordedRequest {
  const { headers, method = "", url: path = "" } = request;
  const hash = createHash("sha256");
  let received = 0;
  const push = request.push.bind(request);
  // The parser hands every piece over here, before anybody can read it.
  request.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (chunk instanceof Uint8Array) {
      received += chunk.byteLength;
      hash.update(chunk);
    }
    return push(chunk, encoding);
  };
  return {
    kind: classify(request),
    method,
    path,
    authorization: headers.authorization,
    range: headers.range,
    headers,
    origin,
    get received() {
      return received;
    },
    get bodyDigest() {
      return `sha256:${hash.copy().digest("hex")}`;
    },
  };
}

function classify(request: IncomingMessage): RequestClass {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const method = (request.method ?? "").toLowerCase();
  if (path === "/token") return "token";
  if (/^\/v2\/?$/u.test(path)) return "ping";
  if (path.endsWith("/tags/list")) return "tags";
  if (path === "/v2/_catalog") return "catalog";
  if (/\/referrers\/[^/]+$/u.test(path)) return "referrers";
  const known = KINDS.find(([pattern]) => pattern.test(path))?.[1];
  return known === undefined ? "other" : ((known + method) as RequestClass);
}

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/\/blobs\/uploads\//u, "upload."],
  [/\/blobs\//u, "blob."],
  [/\/manifests\//u, "manifest."],
];
