import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { ImageSource, ResolvedImage } from "../domain/resolved-image.ts";
import type { DeployDeps } from "./request.ts";

/**
 * Resolves the image. What a cluster is to pull is looked for in its registry alone; when it is not there, the error says
 * what to type: a name without a registry means Docker Hub, and no cluster sees the local store. Throws as `resolveImage`.
 */
export async function findImage(
  deps: Pick<DeployDeps, "resolveImage">,
  reference: ImageReference,
  from: ImageSource,
): Promise<ResolvedImage> {
  try {
    return await deps.resolveImage(reference, from);
  } catch (error) {
    if (from === "store" || !(error instanceof WasmeError) || !MISSING.has(error.kind)) throw error;
    const hint = await hintFor(deps, reference, error);
    if (hint === undefined) throw error;
    const message = `no image ${formatReference(reference)} for the cluster to pull: ${error.message}`;
    throw new WasmeError(error.kind, error.code, message, { hint, details: error.details ?? {}, cause: error.cause });
  }
}

/** How a registry answers, or does not, that has no such image: the Hub says "unauthorised". */
const MISSING: ReadonlySet<WasmeError["kind"]> = new Set(["not-found", "unauthorised", "unreachable"]);

async function hintFor(
  deps: Pick<DeployDeps, "resolveImage">,
  reference: ImageReference,
  error: WasmeError,
): Promise<string | undefined> {
  const name = formatReference(reference);
  const isBare = reference.host === HUB && reference.repository.startsWith(OFFICIAL);
  // Login or network may be all that is wrong, unless nobody can have meant that name.
  if (!isBare && error.kind !== "not-found") return undefined;
  const isLocal = await deps.resolveImage(reference, "store").then(
    () => true,
    () => false,
  );
  if (!isBare) return isLocal ? `it is in the local store alone: wasme push ${name}` : undefined;
  const whole = `REGISTRY/${name.slice(HUB.length + 1 + OFFICIAL.length)}`;
  if (isLocal)
    return `it is in the local store alone: wasme tag ${name} ${whole}; wasme push ${whole}; then deploy ${whole}`;
  return `a name without a registry means ${HUB}: type the whole reference, for example ghcr.io/acme/hello:v1`;
}

const HUB = "docker.io";
/** Where the Hub keeps what has no owner's name in front: no filters. */
const OFFICIAL = "library/";
