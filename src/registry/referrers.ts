import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, digestParts } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { parseDescriptor, parseManifest } from "../domain/manifest.ts";
import { bareMediaType, MediaType } from "../domain/media-types.ts";
import { type FetchedManifest, fetchManifest } from "./manifests.ts";
import { listInvalid, readPages } from "./paged-list.ts";
import type { RepositoryContext } from "./repository-context.ts";

/** Which referrers are wanted. */
export interface ReferrersOptions {
  /** Only those of this type; all when absent. */
  readonly artifactType?: string;
  readonly signal?: AbortSignal;
}

/**
 * The manifests of a repository whose `subject` is `digest`, each once: signatures, software bills, provenance. Asks the
 * referrers API, and where there is none reads the index under the tag `sha256-…` (distribution spec 1.1, "Listing
 * Referrers"); whether there is one is asked once per repository. Entries have type and annotations of their manifests.
 * Throws `LIST_INVALID`, and `REFERRERS_INVALID` (failed) when something else is under that tag.
 */
export async function listReferrers(
  context: RepositoryContext,
  digest: Digest,
  options: ReferrersOptions = {},
): Promise<readonly Descriptor[]> {
  const { artifactType, signal } = options;
  const isWanted = (each: Descriptor): boolean => artifactType === undefined || each.artifactType === artifactType;
  const listed = await readReferrersApi(context, digest, options);
  if (listed !== undefined) return listed.filtered ? listed.all : listed.all.filter(isWanted);
  const index = await readReferrersIndex(context, digest, signal);
  return unique(index?.entries ?? []).filter(isWanted);
}

/** The tag under which clients keep the referrers of a digest where the registry does not (at most 64 digits of it). */
export function referrersTag(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest);
  return `${algorithm}-${hex.slice(0, 64)}`;
}

/** The index under that tag. */
export interface ReferrersIndex {
  readonly served: FetchedManifest;
  readonly entries: readonly Descriptor[];
}

/** Reads it; `undefined` when there is none. Throws `REFERRERS_INVALID` (failed) for anything else under the tag. */
export async function readReferrersIndex(
  context: RepositoryContext,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<ReferrersIndex | undefined> {
  const tag = referrersTag(digest);
  const served = await fetchManifest(context, tag, signal);
  if (served === undefined) return undefined;
  const { mediaType } = served.descriptor;
  if (mediaType === MediaType.ociIndex) {
    const parsed = parseManifest(served.bytes, mediaType);
    if (parsed.kind === "index") return { served, entries: parsed.index.manifests };
  }
  const message = `the tag ${tag} of ${context.session.host}/${context.repository} should hold the referrers of ${digest}, but is ${mediaType}`;
  throw new WasmeError("failed", "REFERRERS_INVALID", message, {
    hint: "somebody pushed an image under a tag kept for this: tag it otherwise, and delete that tag",
  });
}

/** What the referrers API answers. */
export interface ListedReferrers {
  readonly all: readonly Descriptor[];
  /** Whether the registry left out what was not asked for. */
  readonly filtered: boolean;
}

/** Asks the referrers API; `undefined` when there is none, which is remembered. Throws `LIST_INVALID` (failed). */
export async function readReferrersApi(
  context: RepositoryContext,
  digest: Digest,
  { artifactType, signal }: ReferrersOptions,
): Promise<ListedReferrers | undefined> {
  const { session, repository } = context;
  const { referrers } = await session.quirks();
  const { learned } = session;
  if (referrers === "tag" || (referrers === "probe" && learned.referrersApi?.get(repository) === false))
    return undefined;
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  let isUnknownName = false;
  const list = {
    request: {
      target: `${repository}/referrers/${digest}${query}`,
      headers: { accept: MediaType.ociIndex },
      repository,
      scopes: context.scopes(),
      action: `list the referrers of ${digest}`,
    },
    key: "manifests",
    what: `the referrers of ${digest}`,
    isAbsent: ({ status, headers }: { status: number; headers: Record<string, unknown> }, code: unknown) => {
      isUnknownName = code === "NAME_UNKNOWN";
      return status === 200 ? !isIndex(headers["content-type"]) : NO_API.has(status);
    },
  };
  const pages = await readPages(session, list, signal);
  if (!isUnknownName) (session.learned.referrersApi ??= new Map()).set(repository, pages !== undefined);
  if (pages === undefined)
    return (await session.quirks()).referrers === "api" ? { all: [], filtered: true } : undefined;
  const all = pages.flatMap(({ items }) =>
    items.map((item) => readEntry(item, () => listInvalid(session, list, "an entry that is no descriptor"))),
  );
  return { all: unique(all), filtered: pages.every(({ headers }) => isFiltered(headers["oci-filters-applied"])) };
}

/** How registries answer to a path they do not know. */
const NO_API: ReadonlySet<number> = new Set([400, 404, 405, 406, 501]);

function isIndex(type: unknown): boolean {
  return typeof type === "string" && bareMediaType(type) === MediaType.ociIndex;
}

function isFiltered(header: string | readonly string[] | undefined): boolean {
  const names = typeof header === "string" ? header.split(",") : (header ?? []);
  return names.some((name) => name.trim() === "artifactType");
}

function readEntry(value: unknown, invalid: () => Error): Descriptor {
  try {
    return parseDescriptor(value, "manifests");
  } catch {
    throw invalid();
  }
}

function unique(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(descriptors.map((each) => [each.digest, each])).values()];
}
