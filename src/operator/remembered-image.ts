import type { FilterDeploymentSpec } from "../domain/filter-deployment.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, parseImageReference, withDigest } from "../domain/image-reference.ts";
import { isDigest } from "../domain/digest.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { conditionIn } from "./status.ts";
import { type KubeObject, numberAt, stringAt } from "../kube/objects.ts";

/**
 * The image as a status tells of it: all that is needed to keep in place what was deployed, when the registry is away and
 * this program has not seen it before. `undefined` unless the status is about the object as it is now, and the image was
 * found good.
 */
export function rememberedImage(live: KubeObject, spec: FilterDeploymentSpec): ResolvedImage | undefined {
  const text = (field: string): string | undefined => stringAt(live, "status", field);
  const [pinned, moduleDigest, rootId] = [text("image"), text("moduleDigest"), spec.rootId ?? text("rootId")];
  if (!isVerifiedNow(live) || rootId === undefined) return undefined;
  if (pinned === undefined || moduleDigest === undefined || !isDigest(moduleDigest)) return undefined;
  const manifestDigest = digestIn(pinned);
  if (manifestDigest === undefined || formatReference(withDigest(spec.image, manifestDigest)) !== pinned) {
    return undefined;
  }
  return {
    reference: spec.image,
    source: "registry",
    // Of the layouts only this one can be mounted, so it was this one where it is.
    format: text("delivery") === "image-volume" ? "compat" : "oci",
    manifestDigest,
    moduleDigest,
    moduleSize: 0,
    runtimeConfig: { config: { rootIds: [rootId] } },
  };
}

function digestIn(pinned: string): ResolvedImage["manifestDigest"] | undefined {
  try {
    return parseImageReference(pinned).digest;
  } catch (error) {
    if (error instanceof WasmeError) return undefined;
    throw error;
  }
}

/** Whether the status is about the present wish, and says that its image was found good. */
function isVerifiedNow(live: KubeObject): boolean {
  const [generation, seen] = [numberAt(live, ["metadata", "generation"]), numberAt(live, OBSERVED, -1)];
  const isGood = conditionIn(live, "ImageVerified")?.status === "True";
  return generation === seen && isGood && stringAt(live, "status", "verified") !== undefined;
}

const OBSERVED = ["status", "observedGeneration"];
