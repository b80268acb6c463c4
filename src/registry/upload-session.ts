import type { BodySource } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { WasmeError } from "../domain/errors.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import type { FollowedResponse } from "./follow-redirects.ts";
import { redirectTarget } from "./redirects.ts";
import type { RepositoryContext } from "./repository-context.ts";
import { type RetryBudget, TransientError } from "./retry.ts";
import type { Scope } from "./scopes.ts";
import type { ApiRequest } from "./session.ts";

/** What is uploaded, and where to. */
export interface Upload {
  readonly context: RepositoryContext;
  readonly descriptor: Descriptor;
  readonly body: BodySource;
  readonly signal: AbortSignal | undefined;
  /** Of all requests of this upload together. */
  readonly budget: RetryBudget;
}

/** An answer, with the request it answers. */
export interface UploadAnswer extends FollowedResponse {
  readonly request: ApiRequest;
}

/** How long the farewell to an abandoned upload may take. Milliseconds. */
const FAREWELL_MS = 2000;

/** The place a registry opened for the bytes of one blob (distribution spec, end-4 to end-6, end-13). */
export class UploadSession {
  readonly #upload: Upload;
  /** Smallest piece but the last that the registry takes. Bytes. */
  readonly minPiece: number;
  /** The registry does not know this place any more. */
  isGone = false;
  #location: URL;
  /** The end of what was ever sent here. */
  #sent = 0;

  private constructor(upload: Upload, location: URL, minPiece: number) {
    this.#upload = upload;
    this.#location = location;
    this.minPiece = minPiece;
  }

  /** Asks for a place; `query` may ask for a mount as well. The answer decides what came of it. */
  static open(upload: Upload, query = "", scopes: readonly Scope[] = []): Promise<UploadAnswer> {
    const { context } = upload;
    const target = `${context.repository}/blobs/uploads/${query}`;
    return send(upload, { method: "POST", target, scopes: [...context.scopes(), ...scopes] });
  }

  /** The place named by a 202. Throws `UPLOAD_REFUSED` (failed) when it names none. */
  static of(upload: Upload, { response, url }: UploadAnswer): UploadSession {
    response.discard();
    const { session } = upload.context;
    const { location } = response.headers;
    if (location === undefined) {
      throw new WasmeError("failed", "UPLOAD_REFUSED", `${session.host} started an upload without saying where`, {
        hint: "this is a fault on the side of the registry, or of a proxy in front of it: tell its operator",
      });
    }
    const least = Number(response.headers["oci-chunk-min-length"]);
    const minPiece = Number.isSafeInteger(least) && least > 0 ? least : 1;
    return new UploadSession(upload, redirectTarget(location, url, session.origin), minPiece);
  }

  /** PATCH: the next piece, which begins at byte `start`. */
  append(piece: BodySource, start: number, onSent: (bytes: number) => void): Promise<UploadAnswer> {
    const end = start + piece.size;
    this.#sent = Math.max(this.#sent, end);
    const headers = { ...OCTETS, "content-range": `${start}-${end - 1}` };
    return this.#send({ method: "PATCH", target: this.#location, headers, body: piece, onSent });
  }

  /** GET: how many bytes have arrived; `undefined` when the place is gone or does not tell. */
  async ask(): Promise<number | undefined> {
    const { response } = await this.#send({ method: "GET", target: this.#location });
    response.discard();
    return response.status >= 200 && response.status < 300 ? this.arrived(response) : undefined;
  }

  /**
   * Bytes that have arrived by the `range` of an answer: `0-END`, where some write a unit before it; `undefined` for
   * anything else. `0-0` stands for nothing as well as for one byte: it is one only when one was sent. Throws
   * `UPLOAD_REFUSED` (failed) for more than was sent.
   */
  arrived({ headers }: Pick<HttpResponse, "headers">): number | undefined {
    const end = /^(?:bytes[ =])?0-(\d{1,15})$/u.exec(headers.range?.trim() ?? "")?.[1];
    if (end === undefined) return undefined;
    const bytes = end === "0" && this.#sent !== 1 ? 0 : Number(end) + 1;
    if (bytes <= this.#sent) return bytes;
    const { host } = this.#upload.context.session;
    const message = `${host} claims to have ${bytes} bytes of an upload of which it was sent ${this.#sent}`;
    throw new WasmeError("failed", "UPLOAD_REFUSED", message, { hint: IN_ONE });
  }

  /** PUT: the whole blob, or the end of its pieces when there is no body. */
  finish(body?: BodySource, onSent?: (bytes: number) => void): Promise<UploadAnswer> {
    const { href, search } = this.#location;
    const target = new URL(`${href}${search === "" ? "?" : "&"}digest=${this.#upload.descriptor.digest}`);
    this.#sent = Math.max(this.#sent, body?.size ?? 0);
    return this.#send({ method: "PUT", target, headers: OCTETS, ...(body && { body }), ...(onSent && { onSent }) });
  }

  /** DELETE: tells the registry that nothing more will come. Whatever it answers, the upload is over. */
  async cancel(): Promise<void> {
    if (this.isGone) return;
    this.isGone = true;
    const signal = AbortSignal.timeout(FAREWELL_MS);
    try {
      // What ended the upload may have broken the connection that this goes over: a second try takes a new one.
      const answer = this.#farewell(signal).catch((error: unknown) => {
        if (error instanceof TransientError) return this.#farewell(signal);
        throw error;
      });
      (await answer).response.discard();
    } catch {
      // The registry forgets it by itself.
    }
  }

  #farewell(signal: AbortSignal): Promise<FollowedResponse> {
    const { context } = this.#upload;
    return context.session.once({
      method: "DELETE",
      target: this.#location,
      repository: context.repository,
      scopes: context.scopes(),
      action: "end an upload",
      signal,
    });
  }

  /** The place may move with every answer; the old one is not to be used again. Its query is kept as it is. */
  async #send(call: Call): Promise<UploadAnswer> {
    const answer = await send(this.#upload, call);
    const { response, url } = answer;
    const { location } = response.headers;
    if (response.status === 404) this.isGone = true;
    if (location !== undefined && response.status < 300) {
      this.#location = redirectTarget(location, url, this.#upload.context.session.origin);
    }
    return answer;
  }
}

/** True for answers that mean that the place is gone, elsewhere in the blob, or still busy with what broke off. */
export function isOutOfStep(status: number): boolean {
  return status === 404 || status === 409 || status === 416;
}

/** What to do about a registry that cannot count. */
export const IN_ONE = 'set "upload": "single" for it in registries.json to send blobs in one';

type Call = Pick<ApiRequest, "method" | "target" | "headers" | "body" | "onSent"> & Partial<Pick<ApiRequest, "scopes">>;

const OCTETS = { "content-type": "application/octet-stream" } as const;

async function send({ context, signal, budget }: Upload, call: Call): Promise<UploadAnswer> {
  const request = {
    repository: context.repository,
    scopes: context.scopes(),
    action: `write ${context.name}`,
    signal,
    budget,
    ...call,
  };
  return { ...(await context.session.once(request)), request };
}
