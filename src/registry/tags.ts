import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { BodyLimit, readBody } from "./read-body.ts";
import type { RepositoryContext } from "./repository-context.ts";

const MAX_PAGES = 1000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/u;

/**
 * All tags of a repository, each once, in the order the registry gives them; `undefined` when there is no such
 * repository. Follows `Link: rel=next` on the same origin. Throws `LIST_INVALID` (failed) for foreign or endless pages.
 */
export async function listTags(
  context: RepositoryContext,
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  const { session, repository } = context;
  const tags = new Set<string>();
  const seen = new Set<string>();
  let target: string | URL | undefined = `${repository}/tags/list`;
  for (let pages = 0; target !== undefined; pages++) {
    if (pages >= MAX_PAGES) throw invalid(context, `more than ${MAX_PAGES} pages`);
    const action = `list the tags of ${repository}`;
    const request = { method: "GET", target, repository, scopes: context.scopes(), action, signal };
    const followed = await session.send(request);
    const { response, url } = followed;
    if (response.status === 404 && pages === 0) {
      response.discard();
      return undefined;
    }
    if (response.status !== 200) throw await session.refusal(followed, request);
    const body = tryParseJson(new TextDecoder().decode(await readBody(response, url, BodyLimit.list)));
    for (const tag of tagsOf(context, body)) tags.add(tag);
    target = nextPage(context, response.headers["link"], url);
    if (target !== undefined && seen.has(target.href)) throw invalid(context, "pages that lead in a circle");
    if (target !== undefined) seen.add(target.href);
  }
  return [...tags];
}

/** Some registries put nulls or digests among the tags; they are no tags. */
function tagsOf(context: RepositoryContext, body: unknown): readonly string[] {
  const list = isObject(body) ? (body["tags"] ?? []) : undefined;
  if (!Array.isArray(list)) throw invalid(context, "no list of tags");
  return list.filter((tag): tag is string => typeof tag === "string" && TAG.test(tag));
}

/** The target of `<…>; rel="next"` (RFC 8288). */
function nextPage(context: RepositoryContext, link: string | string[] | undefined, from: URL): URL | undefined {
  const text = Array.isArray(link) ? link.join(", ") : (link ?? "");
  const match = /<([^>]*)>[^,]*;\s*rel\s*=\s*"?next"?/iu.exec(text);
  const next = match?.[1];
  if (next === undefined) return undefined;
  if (!URL.canParse(next, from.href)) throw invalid(context, "a next page that is not a URL");
  const url = new URL(next, from);
  if (url.host === from.host) return new URL(`${url.pathname}${url.search}`, from);
  throw invalid(context, "a next page on another host");
}

function invalid(context: RepositoryContext, what: string): Error {
  const message = `${context.session.host} answered with ${what} for the tags of ${context.repository}`;
  return new WasmeError("failed", "LIST_INVALID", message);
}
