import type { Digest } from "../domain/digest.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { formatReference, type ImageReference, parseImageReference } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { stringAt } from "../kube/objects.ts";
import type { OldCache } from "./migrate-old-cache.ts";
import type { PlacedFilter, Survey } from "./migrate-survey.ts";
import type { DeployDeps } from "./request.ts";

/** The image the user names for a filter id. */
export interface ImageAnswer {
  readonly id: string;
  readonly reference: ImageReference;
  /** True: it may be another module than the one that is there. */
  readonly replace: boolean;
}

/** What finding images needs of the outside. */
export interface ImageDeps {
  readonly resolveImage: DeployDeps["resolveImage"];
  /** Asks a person for the reference of a filter's image; absent where there is nobody. */
  readonly askImage?: ((message: string) => Promise<string>) | undefined;
}

/** The image of each filter of a survey, by `namespace/name` of its EnvoyFilter. */
export type ImagesByFilter = ReadonlyMap<string, ResolvedImage>;

/** What an old filter is called in {@link ImagesByFilter}. */
export function filterKey({ old }: PlacedFilter): string {
  return `${old.namespace}/${old.object.metadata.name}`;
}

/**
 * Finds the image each old filter came from. Its EnvoyFilter holds the module's digest only: every reference of the old
 * cache's list and of the FilterDeployments is resolved in its registry, and taken when its module is that one. What the
 * user names goes first. Throws `IMAGE_MISMATCH` (usage) for a named image with another module, and `IMAGE_UNKNOWN`
 * (not-found) that lists every filter left without one.
 */
export async function findImages(
  deps: ImageDeps,
  survey: Pick<Survey, "filters" | "cache" | "filterDeployments">,
  answers: readonly ImageAnswer[],
  events: EventSink,
): Promise<ImagesByFilter> {
  for (const message of unusedAnswers(survey, answers)) events({ type: "warning", message });
  const found = new Map<string, ResolvedImage>();
  const resolve = memoised(deps.resolveImage);
  for (const filter of survey.filters) {
    const image = await answered(resolve, filter, answers);
    if (image !== undefined) found.set(filterKey(filter), image);
  }
  const open = (): readonly PlacedFilter[] => survey.filters.filter((filter) => !found.has(filterKey(filter)));
  const seen: string[] = [];
  for (const text of candidates(survey)) {
    if (open().length === 0) break;
    const image = await lookUp(resolve, text, events);
    if (image === undefined) continue;
    seen.push(`${text} is module ${image.moduleDigest}`);
    for (const filter of open())
      if (filter.old.moduleDigest === image.moduleDigest) found.set(filterKey(filter), image);
  }
  const { askImage } = deps;
  if (askImage !== undefined) {
    for (const filter of open()) {
      const reference = parseImageReference(await askImage(question(filter)));
      found.set(filterKey(filter), await named(resolve, filter, { id: filter.old.id, reference, replace: false }));
    }
  }
  if (open().length > 0) throw unknown(open(), seen, survey.cache);
  return found;
}

/** A misspelt id would leave a filter with another image than the one that is meant; one that is migrated already needs none. */
function unusedAnswers({ filters }: Pick<Survey, "filters">, answers: readonly ImageAnswer[]): readonly string[] {
  const ids = new Set(filters.map(({ old }) => old.id));
  return answers
    .filter(({ id }) => !ids.has(id))
    .map(({ id, reference, replace }) => {
      const typed = `--${replace ? "replace-image" : "image"} ${id}=${formatReference(reference)}`;
      return `${typed} is for none of the old filters that are left${ids.size === 0 ? "" : `: ${[...ids].join(", ")}`}`;
    });
}

type Resolve = (reference: ImageReference) => Promise<ResolvedImage>;

/** Several filters often come from one image. */
function memoised(resolveImage: DeployDeps["resolveImage"]): Resolve {
  const known = new Map<string, Promise<ResolvedImage>>();
  return (reference) => {
    const key = formatReference(reference);
    const image = known.get(key) ?? resolveImage(reference, "registry");
    known.set(key, image);
    return image;
  };
}

/** The FilterDeployments' own images first: their owners named them. */
function candidates({ cache, filterDeployments }: Pick<Survey, "cache" | "filterDeployments">): ReadonlySet<string> {
  const images = filterDeployments.flatMap((one) => stringAt(one, "spec", "filter", "image") ?? []);
  return new Set([...images, ...(cache.references ?? [])]);
}

/** One id may be several modules in several namespaces: the answer whose module fits is taken. */
async function answered(
  resolve: Resolve,
  filter: PlacedFilter,
  answers: readonly ImageAnswer[],
): Promise<ResolvedImage | undefined> {
  const own = answers.filter(({ id }) => id === filter.old.id);
  let failure: unknown;
  for (const answer of own) {
    try {
      return await named(resolve, filter, answer);
    } catch (error) {
      failure = error;
    }
  }
  if (own.length > 0) throw failure;
  return undefined;
}

async function named(resolve: Resolve, filter: PlacedFilter, answer: ImageAnswer): Promise<ResolvedImage> {
  const image = await resolve(answer.reference);
  const { id, moduleDigest } = filter.old;
  if (answer.replace || image.moduleDigest === moduleDigest) return image;
  const text = formatReference(answer.reference);
  throw usageError(
    "IMAGE_MISMATCH",
    `${text} is not the image of filter ${id} in namespace ${filter.old.namespace}: its module is ${image.moduleDigest}, and ${moduleDigest} is there`,
    { hint: `--replace-image ${id}=${text} puts the other module in its place` },
  );
}

/** A reference that cannot be resolved any more is no reason to stop: another one may be the right one. */
async function lookUp(resolve: Resolve, text: string, events: EventSink): Promise<ResolvedImage | undefined> {
  try {
    return await resolve(parseImageReference(text));
  } catch (error) {
    if (!(error instanceof WasmeError) || error.kind === "interrupted") throw error;
    events({ type: "warning", message: `${text}, which the old wasme listed, cannot be looked up: ${error.message}` });
    return undefined;
  }
}

function question({ old, target }: PlacedFilter): string {
  const { workload } = target;
  return `Image of filter ${old.id} on ${workload.namespace}/${workload.name} (module ${old.moduleDigest})`;
}

function unknown(open: readonly PlacedFilter[], seen: readonly string[], cache: OldCache): WasmeError {
  const ids = [...new Set(open.map(({ old }) => old.id))];
  const filters = open.map(({ old, target }) => `${old.id} on ${old.namespace}/${target.workload.name}`);
  const list = `the old wasme's list in ConfigMap ${cache.namespace}/${cache.name}`;
  const why =
    cache.references === undefined ? `not allowed to read ${list}` : `${list} names none that can be looked up`;
  const among = seen.length === 0 ? why : seen.join(", ");
  return new WasmeError(
    "not-found",
    "IMAGE_UNKNOWN",
    `no known image has the module of ${filters.join(", ")}: ${among}`,
    {
      hint: `name it: ${ids.map((id) => `--image ${id}=REF`).join(" ")}; --replace-image takes another module instead`,
      details: {
        filters: open.map(({ old, target }) => {
          const { namespace, id, moduleDigest } = old;
          return { namespace, id, workload: target.workload.name, moduleDigest: moduleDigest satisfies Digest };
        }),
      },
    },
  );
}
