import { WasmeError } from "../domain/errors.ts";
import type { FilterDeploymentSpec } from "../domain/filter-deployment.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { stringAt } from "../kube/objects.ts";
import { adviceOf } from "./conditions.ts";
import { requestOf } from "./desired.ts";
import type { RegistryAccess } from "./images.ts";
import type { Known, Stop } from "./judgement.ts";
import { type PullCredential, readPullSecret } from "./pull-secret.ts";
import { rememberedImage } from "./remembered-image.ts";
import type { Work } from "./work.ts";

/** The image, found and verified. */
export interface FoundImage {
  readonly image: ResolvedImage;
  readonly verified: string;
  readonly pull: PullCredential | undefined;
  /** Why the registry could not be asked again. */
  readonly note: string | undefined;
}

/** Why there is none. */
export interface NoImage {
  readonly stop: Stop;
  readonly known: Known;
  /** To be tried again soon. */
  readonly failure?: WasmeError;
}

/**
 * Finds out what the image means, and that its module runs with this configuration, before anything in the cluster hears
 * of it. When the registry is away, what the status says was found good counts. Throws what is no fault of image, registry or Secret.
 */
export async function findImage(work: Work, spec: FilterDeploymentSpec): Promise<FoundImage | NoImage> {
  const { deps, live, namespace, signal, cluster } = work;
  let pull: PullCredential | undefined;
  try {
    if (spec.pullSecret !== undefined) {
      const where = { namespace, name: spec.pullSecret, image: spec.image };
      pull = await readPullSecret(deps.port, where, signal);
    }
  } catch (error) {
    if (!isFault(error, signal)) throw error;
    return { stop: stopAt("PullSecretUnusable", error), known: {}, failure: error };
  }
  const access: RegistryAccess = { insecure: spec.insecure, plainHttp: spec.plainHttp, pull };
  try {
    const withModule = stringAt(live, "status", "verified") === undefined;
    const { image, stale: note } = await deps.images.resolve(spec.image, access, { signal, withModule });
    const request = requestOf(live, spec, { cache: deps.settings.cache });
    const verified = deps.verifier.keyOf({ image, request });
    // What was found good before this program started was found good by the same release.
    if (stringAt(live, "status", "verified") === verified) deps.verifier.trust(verified);
    const readModule = (until: AbortSignal): Promise<Uint8Array> => deps.images.module(image, access, until);
    const verdict = await deps.verifier.verify({ image, request, readModule }, cluster.events, signal);
    if (verdict.ok) return { image, verified, pull, note };
    const { reason, message, at } = stopAt("ModuleRefused", verdict.error);
    return { stop: { reason, message: `${message}${rootIdAdvice(spec.rootId, image)}`, at }, known: { image } };
  } catch (error) {
    if (!isFault(error, signal)) throw error;
    const verified = stringAt(live, "status", "verified");
    const image = error.kind === "unreachable" ? rememberedImage(live, spec) : undefined;
    if (image !== undefined && verified !== undefined) return { image, verified, pull, note: error.message };
    return { stop: stopAt(imageReason(error), error), known: {}, failure: error };
  }
}

/** Why there is no image, as a condition names it. */
export function imageReason({ kind, code }: Pick<WasmeError, "kind" | "code">): string {
  if (kind === "not-found") return "ImageNotFound";
  if (kind === "unreachable") return "RegistryUnreachable";
  if (kind === "unauthorised" || code === "TOKEN_REFUSED") return "RegistryDenied";
  // It is no image of a filter, or not what its digests say.
  return "ImageUnusable";
}

/** A module that is refused may only not know the root id: whoever wrote another one is told which the image names. */
export function rootIdAdvice(rootId: string | undefined, image: Pick<ResolvedImage, "runtimeConfig">): string {
  const named = rootIdsOf(image.runtimeConfig);
  if (rootId === undefined || named.length === 0 || named.includes(rootId)) return "";
  return `; spec.filter.rootID is ${JSON.stringify(rootId)}, and the image names ${named.join(", ")}`;
}

function stopAt(reason: string, error: WasmeError): Stop & { readonly at: "ImageVerified" } {
  return { reason, message: adviceOf(error), at: "ImageVerified" };
}

/** An error of ours that is not the end of the program. */
function isFault(error: unknown, signal: AbortSignal): error is WasmeError {
  return error instanceof WasmeError && !signal.aborted && error.code !== "LEADER_LOST";
}
