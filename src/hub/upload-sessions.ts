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
  /** Tells the hash algorithm the client announced. */
  readonly like: Digest | undefined;
  size: number;
  writer: BlobWriter | undefined;
  algorithm: string;
  busy: boolean;
  /** Ended while a request was writing to it. */
  cancelled: boolean;
  touched: number;
}

/** Sessions nobody touched for this long make room for new ones. Milliseconds. */
const STALE_MS = 60 * 60 * 1000;
/** The same when there is no room for another: who starts uploads and leaves them must not keep others out for long. */
const CROWDED_MS = 60 * 1000;
/** Each may hold a file open. */
const MOST_SESSIONS = 500;

/** The uploads in progress of one server. */
export class UploadSessions {
  readonly #store: ImageStore;
  readonly #now: () => number;
  readonly #open = new Map<string, Open>();

  /** `now` in milliseconds since 1970. */
  constructor(store: ImageStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Starts a session; `algorithm` when its digest is not to be sha256. Throws `TOOMANYREQUESTS`, `DIGEST_INVALID`. */
  async start(repository: string, algorithm = "sha256"): Promise<UploadSession> {
    if (algorithm !== "sha256" && algorithm !== "sha512") {
      throw new RegistryRefusal(400, "DIGEST_INVALID", `unknown digest algorithm: ${JSON.stringify(algorithm)}`);
    }
    const touched = this.#now();
    const longest = this.#open.size < MOST_SESSIONS ? STALE_MS : CROWDED_MS;
    for (const old of this.#open.values()) {
      // Asked anew for each: what is dropped before takes a while.
      if (!old.busy && touched - old.touched > longest) await this.#drop(old);
    }
    if (this.#open.size >= MOST_SESSIONS) {
      throw new RegistryRefusal(429, "TOOMANYREQUESTS", `${MOST_SESSIONS} uploads are under way`, {
        headers: { "retry-after": "5" },
      });
    }
    const like = algorithm === "sha512" ? SHA512 : undefined;
    const begun = { writer: undefined, algorithm: "", busy: false, cancelled: false, touched };
    const session: Open = { id: randomUUID(), repository, like, size: 0, ...begun };
    this.#open.set(session.id, session);
    return session;
  }

  /** A session of a repository. Throws `BLOB_UPLOAD_UNKNOWN`. */
  find(repository: string, id: string): UploadSession {
    return this.#find(repository, id);
  }

  /**
   * Appends bytes. When `bytes` breaks off, what arrived is kept, so that the client can ask for the size and go on;
   * when it cannot be written, the session ends.
   */
  async append(session: UploadSession, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#alone(session, (open) => this.#append(open, bytes, open.like));
  }

  /** Appends the last bytes and ends the session: all of it becomes the blob `digest`, or nothing. */
  async finish(session: UploadSession, bytes: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
    await this.#alone(session, async (open) => {
      await this.#append(open, bytes, digest);
      if (open.cancelled) throw unknownUpload();
      try {
        await this.#commit(open, digest);
      } finally {
        await this.#drop(open);
      }
    });
  }

  /** Ends the session without a blob, even while a request writes to it, which fails then: its client has gone. */
  async cancel(session: UploadSession): Promise<void> {
    const open = this.#find(session.repository, session.id);
    open.cancelled = true;
    if (open.busy) this.#open.delete(open.id);
    else await this.#drop(open);
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    for (const open of this.#open.values()) await this.#drop(open);
  }

  /** One request at a time writes to a session. Throws `BLOB_UPLOAD_INVALID`. */
  async #alone(session: UploadSession, work: (open: Open) => Promise<void>): Promise<void> {
    const open = this.#find(session.repository, session.id);
    if (open.busy) throw new RegistryRefusal(409, "BLOB_UPLOAD_INVALID", "another request writes to this upload");
    open.busy = true;
    try {
      await work(open);
    } finally {
      if (open.cancelled) await this.#drop(open);
      open.busy = false;
      open.touched = this.#now();
    }
  }

  async #append(open: Open, bytes: AsyncIterable<Uint8Array>, like: Digest | undefined): Promise<void> {
    for await (const chunk of bytes) {
      if (open.cancelled) throw unknownUpload();
      try {
        const writer = await this.#writer(open, like);
        await writer.write(chunk);
      } catch (error) {
        await this.#drop(open);
        throw error;
      }
      open.size += chunk.byteLength;
    }
  }

  async #commit(open: Open, digest: Digest): Promise<void> {
    const writer = await this.#writer(open, digest);
    if (open.algorithm === digestParts(digest).algorithm) {
      await writer.commit(digest);
      return;
    }
    // Pieces came before anybody said which hash it would be. The copy under the other digest is left to a clean-up:
    // somebody else may be about to name it.
    const stored = await writer.commit();
    const { size } = open;
    const body = { size, open: () => this.#store.read(stored) };
    await this.#store.push({ mediaType: "application/octet-stream", digest, size }, body);
  }

  async #writer(open: Open, like: Digest | undefined): Promise<BlobWriter> {
    if (open.writer === undefined) {
      open.algorithm = like === undefined ? "sha256" : digestParts(like).algorithm;
      open.writer = await this.#store.write(like);
    }
    return open.writer;
  }

  #find(repository: string, id: string): Open {
    const open = this.#open.get(id);
    if (open !== undefined && open.repository === repository) return open;
    throw unknownUpload();
  }

  async #drop(open: Open): Promise<void> {
    this.#open.delete(open.id);
    await open.writer?.discard();
  }
}

function unknownUpload(): RegistryRefusal {
  return new RegistryRefusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; start a new one");
}

/** Any digest of that algorithm would do. */
const SHA512 = `sha512:${"0".repeat(128)}` as Digest;
