import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { MediaType } from "../domain/media-types.ts";
import { type Exchange, requireDigest } from "./registry-exchange.ts";
import { RegistryRefusal, replyJson } from "./registry-reply.ts";

/** GET tags/list: in the order of the spec (letter case is ignored), in pages of `n` after `last`. */
export async function listTags(exchange: Exchange, repository: string): Promise<void> {
  const { repositories, response } = exchange;
  const entries = await repositories.entries(repository);
  if (!repositories.isKnown(repository, entries)) {
    throw new RegistryRefusal(404, "NAME_UNKNOWN", `there is no repository ${repository}`, {
      details: [{ name: repository }],
    });
  }
  const tags = entries.flatMap(({ tag }) => (tag === undefined ? [] : [tag]));
  const page = cutPage(exchange, tags, `/v2/${repository}/tags/list`);
  replyJson(response, { name: repository, tags: page.items }, { headers: page.headers });
}

/** GET _catalog: the repositories that have a manifest, in pages. */
export async function listRepositories(exchange: Exchange): Promise<void> {
  const entries = await exchange.repositories.entries();
  const names = entries.map(({ repository }) => repository);
  const page = cutPage(exchange, names, "/v2/_catalog");
  replyJson(exchange.response, { repositories: page.items }, { headers: page.headers });
}

/**
 * GET referrers: the manifests of the repository whose subject is `text`, by `artifactType` if asked. More than a client
 * takes in one manifest come in pages.
 */
export async function listReferrers(exchange: Exchange, repository: string, text: string): Promise<void> {
  const { query, response } = exchange;
  const subject = requireDigest(text);
  const wanted = query.get("artifactType");
  const found = await referrersOf(exchange, repository, subject);
  const all = found.filter(({ artifactType }) => wanted === null || artifactType === wanted);
  const last = query.get("last");
  const rest = last === null ? all : all.filter(({ digest }) => digest > last);
  const manifests = fill(rest);
  const end = manifests.at(-1)?.digest;
  const link =
    end === undefined || manifests.length === rest.length
      ? {}
      : { link: nextLink(`/v2/${repository}/referrers/${subject}`, { artifactType: wanted, last: end }) };
  const filtered = wanted === null ? {} : { "oci-filters-applied": "artifactType" };
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests };
  replyJson(response, index, { type: MediaType.ociIndex, headers: { ...link, ...filtered } });
}

/** By digest: an order that stays while pages are read. */
async function referrersOf(exchange: Exchange, repository: string, subject: Digest): Promise<readonly Descriptor[]> {
  const { repositories } = exchange;
  const found = new Map<Digest, Descriptor>();
  for (const { descriptor } of await repositories.entries(repository)) {
    if (found.has(descriptor.digest)) continue;
    const facts = await repositories.facts(descriptor);
    if (facts?.subject !== subject) continue;
    const { mediaType, digest, size } = descriptor;
    const { artifactType, annotations } = facts;
    found.set(digest, {
      mediaType,
      digest,
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    });
  }
  return [...found.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}

/** As many as fit in a manifest, at least one. */
function fill(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  let size = 0;
  const end = descriptors.findIndex((descriptor, at) => {
    size += Buffer.byteLength(JSON.stringify(descriptor)) + 1;
    return at > 0 && size > MAX_PAGE;
  });
  return end === -1 ? descriptors : descriptors.slice(0, end);
}

/** Bytes; clients read at least 4 MB of a manifest. */
const MAX_PAGE = 3_500_000;

/** A page of a list, each item once, and the header that leads to the next one. */
function cutPage(
  { query }: Exchange,
  all: readonly string[],
  path: string,
): { readonly items: readonly string[]; readonly headers: Record<string, string> } {
  const last = query.get("last");
  const size = query.get("n");
  if (size !== null && !/^\d{1,9}$/u.test(size)) {
    throw new RegistryRefusal(400, "PAGINATION_NUMBER_INVALID", `n is not a number: ${JSON.stringify(size)}`);
  }
  const sorted = [...new Set(all)].toSorted(lexical);
  const rest = last === null ? sorted : sorted.filter((item) => lexical(item, last) > 0);
  const items = size === null ? rest : rest.slice(0, Number(size));
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length) return { items, headers: {} };
  return { items, headers: { link: nextLink(path, { n: size, last: end }) } };
}

function nextLink(path: string, parameters: Readonly<Record<string, string | null>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value !== null) query.set(key, value);
  return `<${path}?${query.toString()}>; rel="next"`;
}

/** Letter case decides only between names that are else the same. */
function lexical(a: string, b: string): number {
  return compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
