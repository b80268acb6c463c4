import type { BodySource, Exists, Fetcher, Placement, Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { MAX_MANIFEST } from "../domain/manifest.ts";
import { collect } from "../domain/content.ts";
import { WasmeError } from "../domain/errors.ts";
import { MANIFEST_ACCEPT } from "../domain/media-types.ts";
import { blobIsThere } from "./blob-exists.ts";
import { type FetchedManifest, fetchManifest, pushManifest, resolveManifest } from "./manifests.ts";
import type { ReferrersOptions } from "./referrers.ts";
import type { RepositoryContext } from "./repository-context.ts";
import type { Uploads } from "./uploads.ts";

/**
 * A repository of a registry: content by descriptor (manifests and blobs alike), manifests by tag or digest. `target` is
 * a tag or a digest; `referenceTarget()` gives it for an image reference.
 */
export interface Repository extends Fetcher, Pusher, Exists {
  /** What `target` points to; `undefined` when there is no such manifest. */
  resolve(target: string, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** The manifest or index, checked; `undefined` when there is none. */
  fetchManifest(target: string, signal?: AbortSignal): Promise<FetchedManifest | undefined>;
  /** Stores a manifest, byte for byte; everything it points to must be there. */
  pushManifest(target: string, bytes: Uint8Array, mediaType: string, signal?: AbortSignal): Promise<Descriptor>;
  /** All tags; `undefined` when there is no such repository. */
  tags(signal?: AbortSignal): Promise<readonly string[] | undefined>;
  /** The manifests whose subject is `digest`; see {@link listReferrers}. */
  referrers(digest: Digest, options?: ReferrersOptions): Promise<readonly Descriptor[]>;
  /** Deletes a tag, or by digest a manifest with all its tags; false when there is none. See {@link deleteManifest}. */
  deleteManifest(target: string, signal?: AbortSignal): Promise<boolean>;
  /** Deletes a blob; false when there is none. */
  deleteBlob(digest: Digest, signal?: AbortSignal): Promise<boolean>;
}

/** Smaller blobs are uploaded without asking first: the question costs as much as the answer. Bytes. */
const ASK_FIRST = 64 * 1024;

/** The requests of {@link Repository} over one session; the code of each way is loaded when it is gone. `uploads` is shared by all repositories of a client. */
export class RemoteRepository implements Repository {
  readonly #context: RepositoryContext;
  readonly #uploads: Uploads;

  constructor(context: RepositoryContext, uploads: Uploads) {
    this.#context = context;
    this.#uploads = uploads;
  }

  async *fetch(descriptor: Descriptor, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    if (!isManifest(descriptor)) {
      const { downloadBlob } = await import("./blob-download.ts");
      yield* downloadBlob(this.#context, descriptor, signal);
      return;
    }
    const found = await this.fetchManifest(descriptor.digest, signal);
    if (found === undefined) throw this.#missing(descriptor);
    yield found.bytes;
  }

  async exists(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean> {
    if (isManifest(descriptor)) return (await this.resolve(descriptor.digest, signal)) !== undefined;
    return blobIsThere(this.#context, descriptor, { signal });
  }

  /** Each digest is uploaded once, however often and from however many places it is pushed. */
  async push(descriptor: Descriptor, body: BodySource, signal?: AbortSignal): Promise<Placement> {
    this.#context.willWrite();
    if (isManifest(descriptor)) {
      const bytes = await collect(body.open(), MAX_MANIFEST, tooLarge);
      await this.pushManifest(descriptor.digest, bytes, descriptor.mediaType, signal);
      return "written";
    }
    const key = `${this.#uploadsHere}${descriptor.digest}`;
    return this.#uploads.once(key, () => this.#upload(descriptor, body, signal), signal);
  }

  resolve(target: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    return resolveManifest(this.#context, target, signal);
  }

  fetchManifest(target: string, signal?: AbortSignal): Promise<FetchedManifest | undefined> {
    return fetchManifest(this.#context, target, signal);
  }

  pushManifest(target: string, bytes: Uint8Array, mediaType: string, signal?: AbortSignal): Promise<Descriptor> {
    return pushManifest(this.#context, { target, bytes, mediaType }, signal);
  }

  async tags(signal?: AbortSignal): Promise<readonly string[] | undefined> {
    const { listTags } = await import("./tags.ts");
    return listTags(this.#context, signal);
  }

  async referrers(digest: Digest, options?: ReferrersOptions): Promise<readonly Descriptor[]> {
    const { listReferrers } = await import("./referrers.ts");
    return listReferrers(this.#context, digest, options);
  }

  async deleteManifest(target: string, signal?: AbortSignal): Promise<boolean> {
    const { deleteManifest } = await import("./delete-content.ts");
    this.#forgetUploads();
    return deleteManifest(this.#context, target, signal);
  }

  async deleteBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const { deleteBlob } = await import("./delete-content.ts");
    this.#forgetUploads();
    return deleteBlob(this.#context, digest, signal);
  }

  /** What was uploaded may be gone after a deletion: some registries tidy up at once. */
  #forgetUploads(): void {
    this.#uploads.forget(this.#uploadsHere);
  }

  /** What the keys of the uploads to this repository start with. */
  get #uploadsHere(): string {
    return `${this.#context.session.host}/${this.#context.repository}@`;
  }

  async #upload(descriptor: Descriptor, body: BodySource, signal: AbortSignal | undefined): Promise<Placement> {
    const { events } = this.#context.session.deps;
    if (descriptor.size >= ASK_FIRST && (await blobIsThere(this.#context, descriptor, { signal }))) {
      events({ type: "blob.skipped", digest: descriptor.digest, reason: "already there" });
      return "present";
    }
    const { uploadBlob } = await import("./blob-upload.ts");
    return uploadBlob(this.#context, descriptor, body, signal);
  }

  #missing(descriptor: Descriptor): WasmeError {
    const { session, repository } = this.#context;
    const message = `${session.host} has no manifest ${descriptor.digest} in ${repository}`;
    return new WasmeError("not-found", "MANIFEST_NOT_FOUND", message, { hint: "the image is incomplete there" });
  }
}

function isManifest(descriptor: Descriptor): boolean {
  return MANIFEST_ACCEPT.includes(descriptor.mediaType);
}

function tooLarge(limit: number): Error {
  return new WasmeError("failed", "MANIFEST_INVALID", `a manifest of more than ${limit} bytes cannot be pushed`);
}
