import { WasmeError } from "../domain/errors.ts";
import { PieceReader } from "./piece-reader.ts";
import { reportProgress } from "./progress.ts";
import type { Quirks } from "./quirks.ts";
import { TransientError } from "./retry.ts";
import { IN_ONE, isOutOfStep, type Upload, type UploadAnswer, type UploadSession } from "./upload-session.ts";

/** How sending pieces ended: all of them arrived, it is to be asked where to go on, or there is no such way. */
export type PiecesEnd = "sent" | "again" | "unsupported";

/** A registry that finds smaller pieces than this too large is given up, and one that takes less of each. Bytes. */
const FLOOR = 64 * 1024;

/** Answers to a first piece that mean that there is no such way. */
const NO_PIECES: ReadonlySet<number> = new Set([400, 404, 405, 501]);

/**
 * Sends a blob in pieces (distribution spec, "pushing a blob in chunks"): in order, on from where the registry says
 * that it is. Lives as long as the upload; the places it goes to may change.
 */
export class PiecewiseUpload {
  /** It shrinks when the registry finds pieces too large. Bytes. */
  pieceSize: number;
  readonly #upload: Upload;
  readonly #quirks: Quirks;
  readonly #reader: PieceReader;
  readonly #report: (done: number) => void;
  /** The piece that was last answered 416. */
  #refused: Piece | undefined;
  /** Whether the registry tells how much has arrived. */
  #tells: boolean;

  constructor(upload: Upload, quirks: Quirks, pieceSize: number) {
    this.#upload = upload;
    this.#quirks = quirks;
    this.pieceSize = Math.max(quirks.minChunkSize, Math.min(pieceSize, quirks.maxChunkSize));
    this.#reader = new PieceReader(upload.body);
    this.#report = reportProgress(upload.context.session.deps.events, upload.descriptor, "upload");
    this.#tells = quirks.trustRange;
  }

  /**
   * Sends everything from byte `from`. Throws a `TransientError` when it is worth asking where to go on,
   * `UPLOAD_REFUSED` (failed), and errors of the registry.
   */
  async send(session: UploadSession, from: number): Promise<PiecesEnd> {
    const { descriptor, budget } = this.#upload;
    for (let offset = from; offset < descriptor.size; budget.progress()) {
      const size = Math.min(this.#sizeAt(session, offset), descriptor.size - offset);
      const answer = await session.append(this.#reader.piece(offset, size), offset, (bytes) =>
        this.#report(offset + bytes),
      );
      const { status } = answer.response;
      if (status !== 202 && status !== 201 && status !== 204)
        return this.#refusedPiece(session, answer, { offset, size });
      offset = await this.#arrived(session, answer, { offset, size });
    }
    return "sent";
  }

  /** Ends reading. */
  close(): Promise<void> {
    return this.#reader.close();
  }

  /** A piece that was refused at the very place where the registry is was too large: some say so by 416. */
  #sizeAt(session: UploadSession, offset: number): number {
    const refused = this.#refused;
    if (refused?.offset === offset && this.#canHalve(session, refused.size))
      this.pieceSize = Math.floor(refused.size / 2);
    this.#refused = undefined;
    return Math.max(this.pieceSize, session.minPiece);
  }

  async #refusedPiece(session: UploadSession, answer: UploadAnswer, piece: Piece): Promise<PiecesEnd> {
    const { response, request } = answer;
    const { status } = response;
    const { session: registry } = this.#upload.context;
    if (status === 413) {
      response.discard();
      if (!this.#canHalve(session, piece.size)) throw this.#tooLarge(piece.size);
      this.pieceSize = Math.floor(piece.size / 2);
      return "again";
    }
    if (piece.offset === 0 && NO_PIECES.has(status)) {
      response.discard();
      const message = `${registry.host} takes no uploads in pieces (${status}): sending in one`;
      registry.deps.events({ type: "debug", message });
      return "unsupported";
    }
    if (status === 416) this.#refused = piece;
    const refusal = await registry.refusal(answer, request);
    throw isOutOfStep(status) ? new TransientError(refusal) : refusal;
  }

  /**
   * Where the registry is after a piece: as it says, or as it says when asked, since some say nothing and some how long
   * the piece was; where it cannot tell, behind the piece.
   */
  async #arrived(session: UploadSession, { response }: UploadAnswer, { offset, size }: Piece): Promise<number> {
    response.discard();
    let arrived = this.#tells ? session.arrived(response) : undefined;
    if (this.#tells && (arrived === undefined || arrived <= offset)) {
      arrived = await session.ask();
      this.#tells = arrived !== undefined;
    }
    const taken = (arrived ?? offset + size) - offset;
    if (taken < size) this.#takesLess(taken, size);
    return offset + taken;
  }

  /** A registry that takes a part of each piece gets pieces of that size; one that takes next to nothing is failing. */
  #takesLess(taken: number, size: number): void {
    if (taken < FLOOR) {
      const message = `${this.#host} took ${Math.max(0, taken)} bytes of a piece of ${size}`;
      throw new TransientError(new WasmeError("failed", "UPLOAD_REFUSED", message, { hint: IN_ONE }));
    }
    this.pieceSize = Math.max(taken, this.#quirks.minChunkSize);
  }

  #canHalve(session: UploadSession, size: number): boolean {
    return size / 2 >= Math.max(session.minPiece, this.#quirks.minChunkSize, FLOOR);
  }

  #tooLarge(size: number): WasmeError {
    const message = `${this.#host} finds a piece of ${size} bytes too large`;
    return new WasmeError("failed", "UPLOAD_REFUSED", message, {
      hint: "a proxy in front of it may limit bodies (nginx: client_max_body_size): ask its operator",
      details: { host: this.#host, pieceBytes: size },
    });
  }

  get #host(): string {
    return this.#upload.context.session.host;
  }
}

interface Piece {
  readonly offset: number;
  readonly size: number;
}
