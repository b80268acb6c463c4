import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { MediaType } from "../domain/media-types.ts";
import type { OkEntry } from "../store/image-store.ts";
import { type Exchange, requireDigest } from "./registry-exchange.ts";
import { subjectOf } from "./registry-manifests.ts";
import { RegistryRefusal, replyJson } from "./registry-reply.ts";

/** GET tags/list: sorted, in pages of `n` after `last`. */
export async function listTags(exchange: Exchange, repository: string): Promise<void> {
  const names = await repositoryNames(exchange);
  const own = names.filter((each) => each.repository === repository);
  if (own.length === 0) throw new RegistryRefusal(404, "NAME_UNKNOWN", `there is no repository ${repository}`);
  const tags = own.flatMap(({ tag }) => (tag === undefined ? [] : [tag])).toSorted();
  const page = cutPage(exchange, tags, `/v2/${repository}/tags/list`);
  replyJson(exchange.response, { name: repository, tags: page.items }, { headers: page.headers });
}

/** GET _catalog: the repositories, sorted, in pages. */
export async function listRepositories(exchange: Exchange): Promise<void> {
  const names = await repositoryNames(exchange);
  const repositories = [...new Set(names.map(({ repository }) => repository))].toSorted();
  const page = cutPage(exchange, repositories, "/v2/_catalog");
  replyJson(exchange.response, { repositories: page.items }, { headers: page.headers });
}

/** GET referrers: the manifests of the repository whose subject is `text`, by `artifactType` if asked. */
export async function listReferrers(exchange: Exchange, repository: string, text: string): Promise<void> {
  const { store, name, query, response } = exchange;
  const subject = requireDigest(text);
  const wanted = query.get("artifactType");
  const own = [`${name}/${repository}:`, `${name}/${repository}@`];
  const found = new Map<Digest, Descriptor>();
  for (const entry of await store.entries()) {
    if (entry.state !== "ok" || !own.some((prefix) => entry.reference.startsWith(prefix))) continue;
    if (subjectOf(entry.manifest) !== subject) continue;
    const descriptor = referrer(entry);
    if (wanted === null || descriptor.artifactType === wanted) found.set(entry.descriptor.digest, descriptor);
  }
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [...found.values()] };
  const headers: Record<string, string> = wanted === null ? {} : { "oci-filters-applied": "artifactType" };
  replyJson(response, index, { type: MediaType.ociIndex, headers });
}

/** The descriptor of a referrer: with its artifact type and annotations (distribution spec, "Listing Referrers"). */
function referrer({ descriptor, manifest }: OkEntry): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const inner = manifest.kind === "index" ? manifest.index : manifest.manifest;
  const implied = manifest.kind === "image" ? manifest.manifest.config.mediaType : undefined;
  const artifactType = inner.artifactType ?? implied;
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(inner.annotations === undefined ? {} : { annotations: inner.annotations }),
  };
}

interface Name {
  readonly repository: string;
  /** `undefined` for a manifest that has only its digest. */
  readonly tag: string | undefined;
}

async function repositoryNames(exchange: Exchange): Promise<readonly Name[]> {
  const prefix = `${exchange.name}/`;
  const entries = await exchange.store.entries();
  return entries.flatMap(({ reference }): readonly Name[] => {
    if (!reference.startsWith(prefix)) return [];
    const rest = reference.slice(prefix.length);
    const at = rest.indexOf("@");
    if (at !== -1) return [{ repository: rest.slice(0, at).replace(/:[^/]*$/u, ""), tag: undefined }];
    const colon = rest.lastIndexOf(":");
    return colon === -1 ? [] : [{ repository: rest.slice(0, colon), tag: rest.slice(colon + 1) }];
  });
}

/** A page of a sorted list, and the header that leads to the next one. */
function cutPage(
  { query }: Exchange,
  all: readonly string[],
  path: string,
): { readonly items: readonly string[]; readonly headers: Record<string, string> } {
  const last = query.get("last");
  const size = query.get("n");
  if (size !== null && !/^\d{1,9}$/u.test(size))
    throw new RegistryRefusal(400, "PAGINATION_NUMBER_INVALID", "n is not a number");
  const rest = last === null ? all : all.filter((item) => item > last);
  const items = size === null ? rest : rest.slice(0, Number(size));
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length) return { items, headers: {} };
  const next = new URLSearchParams({ n: size ?? "", last: end });
  return { items, headers: { link: `<${path}?${next.toString()}>; rel="next"` } };
}
