import type { IncomingMessage, ServerResponse } from "node:http";
import { type Digest, isDigest } from "../domain/digest.ts";
import type { ImageStore } from "../store/image-store.ts";
import { RegistryRefusal } from "./registry-reply.ts";
import type { Repositories } from "./repositories.ts";
import type { UploadSessions } from "./upload-sessions.ts";

/** What a server has, the same for all requests. */
export interface RegistryState {
  readonly store: ImageStore;
  readonly repositories: Repositories;
  readonly uploads: UploadSessions;
}

/** One request being answered, and what the server has. */
export interface Exchange extends RegistryState {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

/** The digest in a path or query. Throws `DIGEST_INVALID`. */
export function requireDigest(text: string | null): Digest {
  if (text !== null && isDigest(text)) return text;
  throw new RegistryRefusal(400, "DIGEST_INVALID", `not a digest: ${JSON.stringify((text ?? "").slice(0, 100))}`);
}

/** True when the client has the content with this digest already (`if-none-match`). */
export function isUnchanged(request: IncomingMessage, digest: Digest): boolean {
  const header = request.headers["if-none-match"] ?? "";
  return header.split(",").some((tag) => tag.trim().replace(/^W\//u, "").replaceAll('"', "") === digest);
}
