import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import { nextLink } from "./link-header.ts";
import { BodyLimit } from "./read-body.ts";
import type { ApiRequest, Session } from "./session.ts";
import { sendAndRead } from "./whole-answer.ts";

/** A list a registry gives in pages. */
export interface PagedList {
  /** The first page and what it takes to be allowed to read it. */
  readonly request: Pick<ApiRequest, "repository" | "scopes" | "action" | "headers"> & { readonly target: string };
  /** Key of the array in each page. */
  readonly key: string;
  /** For messages: `the tags of team/filter`. */
  readonly what: string;
  /** True for an answer to the first request that means that there is no such list. */
  isAbsent(response: HttpResponse, registryCode?: unknown): boolean;
}

/** One page of a list. */
export interface Page {
  readonly items: readonly unknown[];
  readonly headers: HttpResponse["headers"];
}

interface ReadPage extends Page {
  /** Bytes. */
  readonly size: number;
  readonly next: URL | undefined;
}

const MAX_PAGES = 1000;
/** Of all pages together. Bytes. */
const MAX_TOTAL = 64 * 1024 * 1024;
/** Of all pages together: an empty entry takes twenty times its two bytes in memory. */
const MAX_ITEMS = 1_000_000;

/**
 * All pages in their order; `undefined` when there is no such list. Follows `Link: rel=next` on the same origin.
 * Throws `LIST_INVALID` (failed) for foreign or endless pages.
 */
export async function readPages(
  session: Session,
  list: PagedList,
  signal?: AbortSignal,
): Promise<readonly Page[] | undefined> {
  const pages: Page[] = [];
  const seen = new Set<string>();
  let target: string | URL | undefined = list.request.target;
  let total = 0;
  let items = 0;
  while (target !== undefined) {
    if (pages.length >= MAX_PAGES || total > MAX_TOTAL) throw listInvalid(session, list, "a list without end");
    const page = await readPage(session, list, { ...list.request, method: "GET", target, signal });
    if (page === undefined) return undefined;
    items += page.items.length;
    if (items > MAX_ITEMS) throw listInvalid(session, list, `more than ${MAX_ITEMS} entries`);
    pages.push(page);
    total += page.size;
    target = page.next;
    if (target !== undefined && seen.has(target.href)) throw listInvalid(session, list, "pages that lead in a circle");
    if (target !== undefined) seen.add(target.href);
  }
  return pages;
}

/** A list of names; those that are not like `item` are left out: some registries have nulls or digests among them. */
export async function readNames(
  session: Session,
  list: PagedList & { readonly item: RegExp },
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  const pages = await readPages(session, list, signal);
  const names = pages?.flatMap(({ items }) => items).filter((item) => typeof item === "string" && list.item.test(item));
  return names && ([...new Set(names)] as string[]);
}

/** `undefined` when the first page tells that there is no list. */
async function readPage(session: Session, list: PagedList, request: ApiRequest): Promise<ReadPage | undefined> {
  const followed = await sendAndRead(session, request, BodyLimit.list);
  const { response, url, body: bytes } = followed;
  const isFirst = request.target === list.request.target;
  if (bytes === undefined) {
    const refusal = await session.refusal(followed, request);
    if (isFirst && list.isAbsent(response, refusal.details?.["registryCode"])) return undefined;
    throw refusal;
  }
  if (isFirst && list.isAbsent(response)) return undefined;
  const body = tryParseJson(new TextDecoder().decode(bytes));
  const items: unknown = isObject(body) ? (body[list.key] ?? []) : undefined;
  if (!Array.isArray(items)) throw listInvalid(session, list, "no list");
  const { headers } = response;
  const next = nextPage(headers["link"], url);
  if (next === "not a URL" || next === "foreign") throw listInvalid(session, list, NO_NEXT[next]);
  return { items, headers, size: bytes.byteLength, next };
}

/** Where the next page is: on the same host. */
function nextPage(link: string | string[] | undefined, from: URL): URL | undefined | "not a URL" | "foreign" {
  const next = nextLink(link);
  if (next === undefined) return undefined;
  if (!URL.canParse(next, from.href)) return "not a URL";
  const url = new URL(next, from);
  return url.host === from.host ? new URL(`${url.pathname}${url.search}`, from) : "foreign";
}

const NO_NEXT = { "not a URL": "a next page that is not a URL", foreign: "a next page on another host" } as const;

/** The error for an answer that is not the list it should be. */
export function listInvalid(session: Session, list: Pick<PagedList, "what">, why: string): Error {
  return new WasmeError("failed", "LIST_INVALID", `${session.host} answered with ${why} for ${list.what}`, {
    hint: "check that the host is a registry, not a web page or a proxy in front of it",
  });
}
