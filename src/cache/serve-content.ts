import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { type InclusiveRange, requestedRange } from "../platform/byte-range.ts";
import type { OpenContent } from "./content-folder.ts";
import type { SharedBodies } from "./shared-bodies.ts";

/** What is served: content that never changes, by an address that may. */
export interface ServedContent {
  /** Without quotes; strong. */
  readonly etag: string;
  /** True when the address names these bytes; another address may mean others tomorrow. */
  readonly isFixed: boolean;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `undefined` when it is gone after all. */
  readonly open: () => Promise<OpenContent | undefined>;
  /** Its gzip form, where there is one. */
  readonly openGzip?: () => Promise<OpenContent | undefined>;
  /** What small bodies under way are shared by. */
  readonly bodies: SharedBodies;
}

/**
 * Answers GET and HEAD for content: whole, as gzip where the client takes it, a part of it (RFC 9110 section 14), or
 * that it did not change (section 13). False when the content is gone: nothing was answered then.
 */
export async function serveContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: ServedContent,
): Promise<boolean> {
  const range = isCurrent(request, content) ? request.headers.range : undefined;
  const packed = range === undefined && takesGzip(request) ? await content.openGzip?.() : undefined;
  const open = packed ?? (await content.open());
  if (open === undefined) return false;
  try {
    const headers = headersOf(content, packed === undefined ? "plain" : "gzip");
    await answer(request, response, { content, headers, open, range });
    return true;
  } finally {
    await open.handle.close();
  }
}

function headersOf(content: ServedContent, form: "plain" | "gzip"): Readonly<Record<string, string>> {
  return {
    "accept-ranges": "bytes",
    ...(content.isFixed ? { "last-modified": LAST_MODIFIED } : {}),
    "x-content-type-options": "nosniff",
    "content-type": content.contentType,
    etag: form === "plain" ? `"${content.etag}"` : `"${content.etag}${GZIP_MARK}"`,
    ...(form === "plain" ? {} : { "content-encoding": "gzip" }),
    ...(content.openGzip === undefined ? {} : { vary: "Accept-Encoding" }),
    ...content.headers,
  };
}

interface Answer {
  readonly content: ServedContent;
  readonly headers: Readonly<Record<string, string>>;
  readonly open: OpenContent;
  readonly range: string | undefined;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { content, headers, open, range }: Answer,
): Promise<void> {
  const { size } = open;
  if (isUnchanged(request, content)) {
    const { "content-type": _type, "content-encoding": _encoding, ...rest } = headers;
    response.writeHead(304, rest).end();
    return;
  }
  const part = requestedRange(range, size);
  if (part === "unsatisfiable") {
    response.writeHead(416, { "content-range": `bytes */${size}`, "content-length": 0 }).end();
    return;
  }
  const length = part === undefined ? size : part.end - part.start + 1;
  const extent = part === undefined ? {} : { "content-range": `bytes ${part.start}-${part.end}/${size}` };
  response.writeHead(part === undefined ? 200 : 206, { ...headers, ...extent, "content-length": length });
  const body = {
    open,
    part: part ?? { start: 0, end: size - 1 },
    name: String(headers["etag"]),
    bodies: content.bodies,
  };
  if (request.method === "HEAD" || size === 0) response.end();
  else await sendBody(response, body);
}

interface Body {
  readonly open: OpenContent;
  readonly part: InclusiveRange;
  /** Equal for equal bytes. */
  readonly name: string;
  readonly bodies: SharedBodies;
}

/** A file that became shorter must not look like a whole body: the connection is cut instead. */
async function sendBody(response: ServerResponse, { open, part, name, bodies }: Body): Promise<void> {
  const { start, end } = part;
  const length = end - start + 1;
  const isSmall = length <= AT_ONCE;
  if (isSmall && (await bodies.use(open, { name, start, length }, (body) => sendAtOnce(response, body)))) return;
  const file = open.handle.createReadStream({ start, end, autoClose: false, highWaterMark: PIECE });
  await pipeline(file, response, { end: false });
  if (file.bytesRead === length) response.end();
  else response.destroy();
}

/** Two of these are in memory for each client that takes its time. Bytes. */
const PIECE = 64 * 1024;

/**
 * Bodies up to this are read first and then given to the system in one piece with their header: a proxy never asks again
 * for a body that was cut, and what the system has it sends even when this process is killed. Bytes.
 */
const AT_ONCE = 1024 * 1024;

/** Until the system has it, or the client is gone: it may have left while the body was read. */
function sendAtOnce(response: ServerResponse, body: Uint8Array | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (body === undefined) response.destroy();
    if (response.destroyed) resolve();
    else response.once("close", resolve).end(body, () => resolve());
  });
}

/** `If-Range` (RFC 9110 section 13.1.5): without it, or when it names what is here, a range counts. */
function isCurrent(request: IncomingMessage, { etag, isFixed }: ServedContent): boolean {
  const condition = request.headers["if-range"];
  return condition === undefined || condition === `"${etag}"` || (isFixed && condition === LAST_MODIFIED);
}

function isUnchanged(request: IncomingMessage, { etag, isFixed }: ServedContent): boolean {
  const { "if-none-match": tags, "if-modified-since": since } = request.headers;
  if (tags === undefined) return isFixed && since !== undefined && Date.parse(since) >= Date.parse(LAST_MODIFIED);
  return tags
    .split(",")
    .map((tag) => tag.trim().replace(/^W\//u, ""))
    .some((tag) => tag === "*" || tag === `"${etag}"` || tag === `"${etag}${GZIP_MARK}"`);
}

function takesGzip(request: IncomingMessage): boolean {
  const accepted = (request.headers["accept-encoding"] ?? "").split(",");
  return accepted.some((each) => {
    const [coding = "", ...parameters] = each.split(";").map((part) => part.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/u.test(parameter));
    return (coding === "gzip" || coding === "x-gzip") && !refused;
  });
}

const GZIP_MARK = "+gzip";
/** Content under a digest never changes; the same for all, as the old tool had it. What a tag means does change. */
const LAST_MODIFIED = "Sat, 01 Jan 2000 00:00:00 GMT";
