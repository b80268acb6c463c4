import type { BodySource, Placement } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { WasmeError } from "../domain/errors.ts";
import { blobIsThere } from "./blob-exists.ts";
import { reportProgress } from "./progress.ts";
import type { Quirks } from "./quirks.ts";
import type { RepositoryContext } from "./repository-context.ts";
import { TransientError, withRetry } from "./retry.ts";
import { startUpload } from "./start-upload.ts";
import type { PiecewiseUpload } from "./upload-pieces.ts";
import { isOutOfStep, type Upload, type UploadAnswer, type UploadSession } from "./upload-session.ts";

/** After so many broken tries a large blob is sent in pieces: those that arrived are not lost. */
const WHOLE_TRIES = 2;

/**
 * Uploads a blob that is not there yet, or has the registry mount it from another of its repositories. One PUT, or
 * pieces where the registry or the user wants that (distribution spec, "pushing blobs"). A failure that may pass is
 * followed by a look whether the blob arrived and only the answer was lost, and by going on where the registry is. An
 * abandoned upload is deleted. Throws `UPLOAD_REFUSED` (failed) when the registry breaks the protocol, and errors of
 * the registry.
 */
export async function uploadBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  body: BodySource,
  signal?: AbortSignal,
): Promise<Placement> {
  const budget = context.session.budget(signal);
  const quirks = await context.session.quirks();
  const upload = new BlobUpload({ context, descriptor, body, signal, budget }, quirks);
  try {
    return await withRetry(budget, () => upload.attempt());
  } catch (error) {
    await upload.cancel();
    throw error;
  } finally {
    await upload.close();
  }
}

/** One blob on its way, over all tries. */
class BlobUpload {
  readonly #upload: Upload;
  readonly #quirks: Quirks;
  #session: UploadSession | undefined;
  /** Absent: the blob goes as a whole. */
  #pieces: PiecewiseUpload | undefined;
  #tries = 0;
  /** Everything was sent once: the blob may be there though no answer said so. */
  #mayBeThere = false;
  /** What was sent goes on where an earlier try ended. */
  #isResumed = false;
  /** The answer to a whole blob that was too large. */
  #tooLarge: WasmeError | undefined;

  constructor(upload: Upload, quirks: Quirks) {
    this.#upload = upload;
    this.#quirks = quirks;
  }

  async attempt(): Promise<Placement> {
    const { context, descriptor, signal, budget } = this.#upload;
    if (this.#mayBeThere && (await blobIsThere(context, descriptor, { signal, budget }))) {
      await this.cancel(); // somebody else may have brought it, and this place be open still
      return "written";
    }
    await this.#choosePieces();
    const isFirst = this.#tries++ === 0;
    for (;;) {
      let offset = await this.#resume();
      if (offset === undefined) {
        const started = await startUpload(this.#upload, this.#quirks, isFirst);
        if ("mountedFrom" in started) return this.#mounted(started.mountedFrom);
        this.#session = started.session;
        offset = 0;
      }
      if (this.#session !== undefined && (await this.#send(this.#session, offset))) return "written";
    }
  }

  /** Ends what was begun and will not be finished. */
  async cancel(): Promise<void> {
    await this.#session?.cancel();
  }

  async close(): Promise<void> {
    await this.#pieces?.close();
  }

  get #mayGoPiecewise(): boolean {
    return this.#quirks.upload !== "single" && this.#upload.context.session.learned.noPieces !== true;
  }

  async #choosePieces(): Promise<void> {
    const { upload, chunkSize } = this.#quirks;
    const { pieceSize } = this.#upload.context.session.learned;
    const isWanted = upload === "chunked" || pieceSize !== undefined || this.#tries >= WHOLE_TRIES;
    if (isWanted && (pieceSize ?? chunkSize) < this.#upload.descriptor.size) {
      await this.#goPiecewise(pieceSize ?? chunkSize);
    }
  }

  /** From now on in pieces, if there is such a way. */
  async #goPiecewise(pieceSize: number): Promise<void> {
    if (!this.#mayGoPiecewise || this.#pieces !== undefined) return;
    const { PiecewiseUpload: Made } = await import("./upload-pieces.ts");
    this.#pieces = new Made(this.#upload, this.#quirks, pieceSize);
  }

  /** Where the place of the last try can be gone on with; what is of no use is ended. */
  async #resume(): Promise<number | undefined> {
    if (this.#session === undefined) return undefined;
    const offset = this.#session.isGone || !this.#quirks.trustRange ? undefined : await this.#session.ask();
    if (offset !== undefined && offset > 0) await this.#goPiecewise(this.#quirks.chunkSize);
    if (offset === 0 || (offset !== undefined && this.#pieces !== undefined)) {
      this.#isResumed = true;
      return offset;
    }
    await this.#session.cancel();
    this.#session = undefined;
    this.#isResumed = false;
    return undefined;
  }

  /** True when the blob is there; false to look where to go on. */
  async #send(session: UploadSession, offset: number): Promise<boolean> {
    const { body } = this.#upload;
    if (this.#pieces === undefined) {
      const { context, descriptor } = this.#upload;
      this.#mayBeThere = true;
      const report = reportProgress(context.session.deps.events, descriptor, "upload");
      return this.#isFinished(session, await session.finish(body, report));
    }
    const end = await this.#pieces.send(session, offset);
    if (end === "unsupported") await this.#withoutPieces();
    if (end !== "sent") return false;
    this.#mayBeThere = true;
    const isDone = await this.#isFinished(session, await session.finish());
    if (isDone) this.#upload.context.session.learned.pieceSize = this.#pieces.pieceSize;
    return isDone;
  }

  async #isFinished(session: UploadSession, answer: UploadAnswer): Promise<boolean> {
    const { response, request } = answer;
    const { status } = response;
    if (status === 201 || status === 204) {
      response.discard();
      return true;
    }
    const refusal = await this.#upload.context.session.refusal(answer, request);
    if (status === 413 && this.#pieces === undefined) {
      this.#tooLarge = refusal;
      this.#mayBeThere = false;
      await this.#goPiecewise(Math.min(this.#quirks.chunkSize, Math.ceil(this.#upload.descriptor.size / 2)));
      if (this.#pieces !== undefined) return false;
    }
    // Bytes an earlier try left behind, more or fewer than we were told, make another digest, and a broken request may
    // be held for one that still writes (409): another place will do.
    const isSpoilt = (status === 400 || status === 409) && this.#isResumed;
    if (isSpoilt) await session.cancel();
    throw isSpoilt || isOutOfStep(status) ? new TransientError(refusal) : refusal;
  }

  /** The registry takes no pieces: the whole, unless that was too large. */
  async #withoutPieces(): Promise<void> {
    if (this.#tooLarge !== undefined) throw this.#tooLarge;
    await this.close();
    this.#pieces = undefined;
    this.#upload.context.session.learned.noPieces = true;
  }

  #mounted(from: string): Placement {
    const { context, descriptor } = this.#upload;
    context.session.deps.events({ type: "blob.skipped", digest: descriptor.digest, reason: `mounted from ${from}` });
    return "mounted";
  }
}
