import { randomUUID } from "node:crypto";
import { type Digest, digestParts } from "../domain/digest.ts";
import type { BlobWriter } from "../store/blob-writer.ts";
import type { ImageStore } from "../store/image-store.ts";
import { RegistryRefusal } from "./registry-reply.ts";

/** A blob being uploaded in pieces; nothing of it is visible before it is finished. */
export interface UploadSession {
  readonly id: string;
  readonly repository: string;
  /** Bytes received. */
  readonly size: number;
}

interface Open {
  readonly id: string;
  readonly repository: string;
  size: number;
  writer: BlobWriter | undefined;
  algorithm: string;
  busy: boolean;
  touched: number;
}

/** Sessions nobody touched for this long make room for new ones. Milliseconds. */
const STALE_MS = 60 * 60 * 1000;

/** The uploads in progress of one server. */
export class UploadSessions {
  readonly #store: ImageStore;
  readonly #open = new Map<string, Open>();

  constructor(store: ImageStore) {
    this.#store = store;
  }

  /** Starts a session. */
  async start(repository: string): Promise<UploadSession> {
    const now = Date.now();
    for (const old of [...this.#open.values()].filter((each) => !each.busy && now - each.touched > STALE_MS)) {
      await this.#drop(old);
    }
    const session: Open = {
      id: randomUUID(),
      repository,
      size: 0,
      writer: undefined,
      algorithm: "",
      busy: false,
      touched: now,
    };
    this.#open.set(session.id, session);
    return session;
  }

  /** A session of a repository. Throws `BLOB_UPLOAD_UNKNOWN`. */
  find(repository: string, id: string): UploadSession {
    return this.#find(repository, id);
  }

  /** Appends bytes; a broken body ends the session, since nobody knows what arrived. */
  async append(session: UploadSession, bytes: AsyncIterable<Uint8Array>, like?: Digest): Promise<void> {
    const open = this.#find(session.repository, session.id);
    if (open.busy) throw new RegistryRefusal(409, "BLOB_UPLOAD_INVALID", "this upload is being written to");
    open.busy = true;
    try {
      open.writer ??= await this.#writer(open, like);
      for await (const chunk of bytes) {
        await open.writer.write(chunk);
        open.size += chunk.byteLength;
      }
      open.touched = Date.now();
    } catch (error) {
      await this.#drop(open);
      throw error;
    } finally {
      open.busy = false;
    }
  }

  /** Ends the session: its bytes become the blob `digest`, or nothing. */
  async finish(session: UploadSession, digest: Digest): Promise<void> {
    const open = this.#find(session.repository, session.id);
    open.writer ??= await this.#writer(open, digest);
    if (open.algorithm !== digestParts(digest).algorithm) {
      await this.#drop(open);
      throw new RegistryRefusal(400, "DIGEST_INVALID", "an upload in pieces must end in a sha256 digest");
    }
    try {
      await open.writer.commit(digest);
    } finally {
      await this.#drop(open);
    }
  }

  /** Ends the session without a blob. */
  async cancel(session: UploadSession): Promise<void> {
    await this.#drop(this.#find(session.repository, session.id));
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    for (const open of this.#open.values()) await this.#drop(open);
  }

  async #writer(open: Open, like: Digest | undefined): Promise<BlobWriter> {
    open.algorithm = like === undefined ? "sha256" : digestParts(like).algorithm;
    return this.#store.write(like);
  }

  #find(repository: string, id: string): Open {
    const open = this.#open.get(id);
    if (open !== undefined && open.repository === repository) return open;
    throw new RegistryRefusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; start a new one");
  }

  async #drop(open: Open): Promise<void> {
    this.#open.delete(open.id);
    await open.writer?.discard();
  }
}
