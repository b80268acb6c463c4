import { type Digest, digestParts } from "../domain/digest.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import { assertNever, WasmeError } from "../domain/errors.ts";
import { moduleUrl } from "./cache-objects.ts";
import type { FilterObjectRequest } from "./filter-object.ts";
import { modulePath } from "./module-path.ts";
import { imageModulePath } from "./module-volume.ts";

/** Where a proxy gets a module: its agent downloads `url` and checks it, or the proxy reads a local file. */
export type ModuleSource =
  | { readonly url: string; readonly sha256: string; readonly file?: never }
  | { readonly file: string; readonly url?: never; readonly sha256?: never };

/**
 * The source by the request's delivery. `oci://` is always written, and never without a tag or digest: both are silently
 * misread. `sha256` is the manifest's digest for an image and the module's for a plain download: that is what the agent
 * compares. Throws `DIGEST_UNSUPPORTED` (incompatible) for digests Istio cannot compare.
 */
export function moduleSource(request: Pick<FilterObjectRequest, "image" | "delivery" | "cache">): ModuleSource {
  const { image, delivery, cache } = request;
  switch (delivery) {
    case "registry": {
      const url = `oci://${formatReference(withDigest(image.reference, image.manifestDigest))}`;
      return { url, sha256: sha256Of(image.manifestDigest, "images") };
    }
    case "cache-http": {
      const sha256 = sha256Of(image.moduleDigest, "modules");
      return { url: moduleUrl(cache, image.moduleDigest), sha256 };
    }
    case "cache-file":
      return { file: modulePath(image.moduleDigest) };
    case "image-volume":
      return { file: imageModulePath(image) };
    default:
      return assertNever(delivery);
  }
}

function sha256Of(digest: Digest, what: string): string {
  const { algorithm, hex } = digestParts(digest);
  if (algorithm === "sha256") return hex;
  throw new WasmeError(
    "incompatible",
    "DIGEST_UNSUPPORTED",
    `Istio pins ${what} by sha256 only, and this one has a ${algorithm} digest`,
    {
      hint: "push the image again, or deploy with --delivery cache-file",
    },
  );
}
