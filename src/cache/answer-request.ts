import type { IncomingMessage, ServerResponse } from "node:http";
import { type Digest, digestParts } from "../domain/digest.ts";
import type { GzipCopies } from "./gzip-copies.ts";
import type { HeldRequests, WaitEnd } from "./held-requests.ts";
import { findByReference, nameOf } from "./listed-images.ts";
import { type MirrorDeps, serveMirror } from "./mirror.ts";
import { requestTarget } from "./request-target.ts";
import { serveContent } from "./serve-content.ts";

/** What requests are answered from. */
export interface AnswerDeps extends MirrorDeps {
  readonly copies: GzipCopies;
  readonly held: HeldRequests;
  /** Told of a module that is asked for and not here. */
  readonly asked: (module: Digest) => void;
  /** How long a request waits for a module that is not here. Milliseconds. */
  readonly holdMs: number;
}

/**
 * Answers one request. A module that is not here is waited for, then it is 503 with `retry-after`: whatever begins
 * with a 4 is final for a proxy, which goes on without its filter, or refuses all traffic, until it is told anew.
 * Other paths are image references, answered only when they are listed.
 */
export async function answerRequest(
  deps: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const target = requestTarget(request.url ?? "/");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return sayNo(response, 405, "only GET and HEAD are answered");
  }
  if (target.type === "module") return await answerModule(deps, request, response, target.module);
  if (target.type === "mirror") return await serveMirror(deps, { request, response, path: target.path });
  if (target.type === "reference") return await answerReference(deps, request, response, target.text);
  sayNo(response, 404, "ask for /<module digest> or /<image reference>");
}

/** For proxies: the digest says all. */
async function answerModule(
  deps: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  module: Digest,
): Promise<void> {
  if (await sendModule(deps, request, response, { module, isFixed: true })) return;
  deps.asked(module);
  const end = await hold(deps, request, response, module);
  if (end === "arrived" && (await sendModule(deps, request, response, { module, isFixed: true }))) return;
  notYet(response, `the module ${digestParts(module).hex} is not on this node`);
}

async function answerReference(
  deps: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
): Promise<void> {
  const found = findByReference(deps.book, text);
  if (found === undefined) {
    if (deps.listKnown()) return sayNo(response, 404, "the cache lists no such image");
    return notYet(response, "the list of images is not known yet");
  }
  const module = found.state.image?.module;
  if (module !== undefined && (await sendModule(deps, request, response, { module, isFixed: false }))) return;
  await hold(deps, request, response, module ?? found.entry.id);
  const now = findByReference(deps.book, text)?.state.image?.module;
  if (now !== undefined && (await sendModule(deps, request, response, { module: now, isFixed: false }))) return;
  notYet(response, `${nameOf(found)} is not on this node${found.state.error === undefined ? "" : ": see its report"}`);
}

function sendModule(
  deps: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  { module, isFixed }: { readonly module: Digest; readonly isFixed: boolean },
): Promise<boolean> {
  return serveContent(request, response, {
    etag: module,
    isFixed,
    contentType: "application/wasm",
    headers: { "cache-control": isFixed ? FOR_EVER : "no-cache" },
    open: () => deps.modules.openContent(module),
    openGzip: () => deps.copies.open(module),
    bodies: deps.bodies,
  });
}

/** Until it is here, the time is over, or the client is gone. */
async function hold(
  { held, holdMs }: AnswerDeps,
  request: IncomingMessage,
  response: ServerResponse,
  what: string,
): Promise<WaitEnd> {
  if (response.destroyed) return "refused"; // it will not say so again
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  response.once("close", leave);
  try {
    return await held.wait({ what, from: request.socket.remoteAddress ?? "", ms: holdMs, signal: gone.signal });
  } finally {
    response.off("close", leave);
  }
}

function notYet(response: ServerResponse, what: string): void {
  response.setHeader("retry-after", "1");
  sayNo(response, 503, `${what}; try again`);
}

function sayNo(response: ServerResponse, status: number, why: string): void {
  const body = `${why}\n`;
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

const FOR_EVER = "max-age=31536000, immutable";
