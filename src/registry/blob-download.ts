import { skipBytes } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { WasmeError } from "../domain/errors.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import { giveBack } from "../platform/read-memory.ts";
import type { FollowedResponse } from "./follow-redirects.ts";
import { networkError } from "./network-errors.ts";
import { reportProgress } from "./progress.ts";
import { refuseEncoded } from "./read-body.ts";
import type { RepositoryContext } from "./repository-context.ts";
import { type RetryBudget, TransientError } from "./retry.ts";
import type { ApiRequest } from "./session.ts";
import { ContentCheck } from "./verify-stream.ts";

/** Progress of this much between two failures earns new tries. Bytes. */
const EARNED = 256 * 1024;
/** Share of the idle time-out after which a silent body is given up and asked for again where it stopped. */
const STALL_SHARE = 1 / 3;
/** Pieces of at least this size are passed on as they are. Bytes. */
const LARGE = 64 * 1024;
/** Smaller ones are passed on together, so much at a time. Bytes. */
const TOGETHER = 512 * 1024;

/**
 * Streams a blob, checked on the way: a stream that ends without an error had exactly the bytes of the descriptor. After
 * a reset, an early end or a stall it goes on where it stopped (`Range`), or skips what it had where the registry
 * cannot do that. Throws `BLOB_DAMAGED` (failed), `BLOB_NOT_FOUND` (not-found), and errors of the registry.
 */
export async function* downloadBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { session } = context;
  const budget = session.budget(signal);
  const check = new ContentCheck(descriptor, session.host);
  const progress = reportProgress(session.deps.events, descriptor, "download");
  try {
    yield* receiveWhole({ context, descriptor, budget, check, progress, ranged: true, signal });
  } finally {
    session.deps.events({ type: "blob.end", digest: descriptor.digest });
  }
}

interface Download {
  readonly context: RepositoryContext;
  readonly descriptor: Descriptor;
  readonly budget: RetryBudget;
  readonly check: ContentCheck;
  readonly progress: (done: number) => void;
  /** Whether resuming by `Range` still makes sense. */
  ranged: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Try after try, until everything is there or it is no use any more. */
async function* receiveWhole(download: Download): AsyncGenerator<Uint8Array> {
  const { budget, check, signal } = download;
  for (;;) {
    const before = check.offset;
    try {
      yield* receive(download);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      if (check.offset - before >= EARNED) budget.progress();
      await budget.pause(error);
    }
  }
  const last = check.finish();
  if (last !== undefined) yield last;
}

/** One try: passes on what comes, until everything is there. */
async function* receive(download: Download): AsyncGenerator<Uint8Array> {
  const { check, descriptor, context } = download;
  if (check.offset === descriptor.size && check.offset > 0) return; // broke after the last byte
  const { response, url, from } = await open(download);
  try {
    // What was passed on already is left out: the digest covers it.
    for await (const piece of gather(skipBytes(response.body, check.offset - from))) {
      const ready = check.take(piece);
      download.progress(check.offset);
      if (ready !== undefined) yield ready;
    }
  } catch (error) {
    throw networkError(error, url);
  }
  if (check.offset < descriptor.size) throw endedEarly(context, descriptor, check.offset);
}

/** Asks for the bytes we lack; `from` is where the answer begins. */
async function open(download: Download): Promise<FollowedResponse & { readonly from: number }> {
  const { context, descriptor, check } = download;
  const { offset } = check;
  const asksRange = offset > 0 && download.ranged;
  const request = blobRequest(download, asksRange ? { range: `bytes=${offset}-` } : {});
  const followed = await context.session.once(request);
  const { response, url } = followed;
  if (asksRange && !isRangeServed(response, offset, descriptor.size)) {
    download.ranged = false;
    response.discard();
    return open(download);
  }
  if (response.status === 404) throw notFound(context, descriptor, response);
  const from = asksRange && response.status === 206 ? offset : 0;
  if (response.status !== 200 && from === 0) throw await context.session.refusal(followed, request);
  refuseEncoded(response, url);
  refuseWrongLength(response, check, descriptor.size - from);
  return { ...followed, from };
}

function blobRequest(download: Download, headers: Record<string, string>): ApiRequest {
  const { context, descriptor, signal, budget } = download;
  return {
    method: "GET",
    target: `${context.repository}/blobs/${descriptor.digest}`,
    headers,
    bodyIdleTimeoutMs: context.session.deps.idleTimeoutMs * STALL_SHARE,
    repository: context.repository,
    scopes: context.scopes(),
    action: `read ${context.name}`,
    signal,
    budget,
  };
}

/** False for an answer to a `Range` request that is of no use: the wrong part, or none. A whole body will do. */
function isRangeServed(response: HttpResponse, offset: number, size: number): boolean {
  if (response.status === 416) return false;
  return response.status !== 206 || continues(response, offset, size);
}

/** `bytes START-END/SIZE`, with the start we asked for and the size we know (RFC 9110 section 14.4). */
function continues(response: HttpResponse, offset: number, size: number): boolean {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/u.exec(response.headers["content-range"]?.trim() ?? "");
  if (match === null) return false;
  const [, start, end, total] = match;
  return Number(start) === offset && Number(end) === size - 1 && (total === "*" || Number(total) === size);
}

function refuseWrongLength(response: HttpResponse, check: ContentCheck, expected: number): void {
  const announced = response.headers["content-length"];
  if (announced === undefined || Number(announced) === expected) return;
  response.discard();
  throw check.damaged(`${announced} instead of ${expected} bytes`);
}

/** The same bytes in larger pieces, so that a file is written in fewer steps. What came before an error is not lost. */
async function* gather(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  const take = (): Uint8Array => {
    const [only] = pieces;
    const whole = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, size);
    if (pieces.length > 1) pieces.forEach(giveBack);
    pieces = [];
    size = 0;
    return whole;
  };
  try {
    for await (const piece of body) {
      pieces.push(piece);
      size += piece.byteLength;
      if (size >= TOGETHER || piece.byteLength >= LARGE) yield take();
    }
  } catch (error) {
    if (size > 0) yield take();
    throw error;
  }
  if (size > 0) yield take();
}

function endedEarly(context: RepositoryContext, descriptor: Descriptor, offset: number): TransientError {
  const message = `${context.session.host} sent only ${offset} of ${descriptor.size} bytes of ${descriptor.digest}`;
  return new TransientError(new WasmeError("failed", "BLOB_TRUNCATED", message, { hint: "try again later" }));
}

function notFound(context: RepositoryContext, descriptor: Descriptor, response: HttpResponse): WasmeError {
  response.discard();
  const message = `${context.session.host} has no blob ${descriptor.digest} in ${context.repository}`;
  return new WasmeError("not-found", "BLOB_NOT_FOUND", message, {
    hint: "the image is incomplete there: push it again",
    details: { digest: descriptor.digest },
  });
}
