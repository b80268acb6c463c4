import type { IncomingMessage, ServerResponse } from "node:http";
import { type Digest, isDigest } from "../domain/digest.ts";
import type { ImageStore } from "../store/image-store.ts";
import { RegistryRefusal } from "./registry-reply.ts";
import type { UploadSessions } from "./upload-sessions.ts";

/** One request being answered, and what the server has. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly store: ImageStore;
  readonly uploads: UploadSessions;
  /** Stands before the repository in the store's references: `localhost:5000`. */
  readonly name: string;
}

/** The digest in a path or query. Throws `DIGEST_INVALID`. */
export function requireDigest(text: string | null): Digest {
  if (text !== null && isDigest(text)) return text;
  throw new RegistryRefusal(400, "DIGEST_INVALID", `not a digest: ${JSON.stringify((text ?? "").slice(0, 100))}`);
}

/** The store's name for a tag or digest of a repository. */
export function storeReference(exchange: Exchange, repository: string, target: string): string {
  return `${exchange.name}/${repository}${isDigest(target) ? "@" : ":"}${target}`;
}
