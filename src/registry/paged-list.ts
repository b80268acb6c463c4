import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { BodyLimit } from "./read-body.ts";
import type { ApiRequest, Session } from "./session.ts";
import { sendAndRead } from "./whole-answer.ts";

/** A list a registry gives in pages. */
export interface PagedList {
  /** The first page and what it takes to be allowed to read it. */
  readonly request: Pick<ApiRequest, "repository" | "scopes" | "action"> & { readonly target: string };
  /** Key of the array in each page. */
  readonly key: string;
  /** For messages: `the tags of team/filter`. */
  readonly what: string;
  /** Items that are not this are left out. */
  readonly item: RegExp;
  /** True for an answer to the first request that means that there is no such list. */
  isAbsent(status: number, registryCode?: unknown): boolean;
}

const MAX_PAGES = 1000;
/** Of all pages together. Bytes. */
const MAX_TOTAL = 64 * 1024 * 1024;

/**
 * The items of all pages, each once, in the order the registry gives them; `undefined` when there is no such list.
 * Follows `Link: rel=next` on the same origin. Throws `LIST_INVALID` (failed) for foreign or endless pages.
 */
export async function readPages(
  session: Session,
  list: PagedList,
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  const items = new Set<string>();
  const seen = new Set<string>();
  let target: string | URL | undefined = list.request.target;
  let total = 0;
  for (let pages = 0; target !== undefined; pages++) {
    if (pages >= MAX_PAGES || total > MAX_TOTAL) throw invalid(session, list, "a list without end");
    const page = await readPage(session, list, { ...list.request, method: "GET", target, signal });
    if (page === undefined) return undefined;
    for (const item of page.items) if (typeof item === "string" && list.item.test(item)) items.add(item);
    total += page.size;
    target = page.next;
    if (target !== undefined && seen.has(target.href)) throw invalid(session, list, "pages that lead in a circle");
    if (target !== undefined) seen.add(target.href);
  }
  return [...items];
}

interface Page {
  readonly items: readonly unknown[];
  /** Bytes. */
  readonly size: number;
  readonly next: URL | undefined;
}

/** `undefined` when the first page tells that there is no list. */
async function readPage(session: Session, list: PagedList, request: ApiRequest): Promise<Page | undefined> {
  const followed = await sendAndRead(session, request, BodyLimit.list);
  const { response, url, body: bytes } = followed;
  if (bytes === undefined) {
    const refusal = await session.refusal(followed, request);
    const said = refusal instanceof WasmeError ? refusal.details?.["registryCode"] : undefined;
    if (request.target === list.request.target && list.isAbsent(response.status, said)) return undefined;
    throw refusal;
  }
  const body = tryParseJson(new TextDecoder().decode(bytes));
  const items: unknown = isObject(body) ? (body[list.key] ?? []) : undefined;
  if (!Array.isArray(items)) throw invalid(session, list, "no list");
  const next = nextPage(response.headers["link"], url);
  if (next === "not a URL" || next === "foreign") throw invalid(session, list, NO_NEXT[next]);
  return { items, size: bytes.byteLength, next };
}

/** The target of `<…>; rel="next"` (RFC 8288), on the same host. */
function nextPage(link: string | string[] | undefined, from: URL): URL | undefined | "not a URL" | "foreign" {
  const text = Array.isArray(link) ? link.join(", ") : (link ?? "");
  const next = (/<([^>]*)>[^,]*;\s*rel\s*=\s*"?next"?/iu.exec(text) ?? BARE_NEXT.exec(text))?.[1];
  if (next === undefined) return undefined;
  if (!URL.canParse(next, from.href)) return "not a URL";
  const url = new URL(next, from);
  return url.host === from.host ? new URL(`${url.pathname}${url.search}`, from) : "foreign";
}

/** zot 1.4 leaves the angle brackets out. */
const BARE_NEXT = /^\s*([^<>,;\s]+)\s*;\s*rel\s*=\s*"?next"?/iu;

const NO_NEXT = { "not a URL": "a next page that is not a URL", foreign: "a next page on another host" } as const;

function invalid(session: Session, list: PagedList, why: string): Error {
  return new WasmeError("failed", "LIST_INVALID", `${session.host} answered with ${why} for ${list.what}`, {
    hint: "check that the host is a registry, not a web page or a proxy in front of it",
  });
}
