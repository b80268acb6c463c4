import { type Digest, digestParts } from "../domain/digest.ts";

/** Where modules lie on the node and in the proxy container: the same path on both sides. */
export const MODULE_DIRECTORY = "/var/lib/wasme";

/** Name of the volume that carries {@link MODULE_DIRECTORY} into proxies. */
export const MODULE_VOLUME = "wasme-cache";

/** What follows the digest in a module's file name. */
export const MODULE_SUFFIX = ".wasm";

/** The file of a module on nodes. The digest in its name makes proxies load new bytes instead of keeping the old. */
export function modulePath(moduleDigest: Digest): string {
  return `${MODULE_DIRECTORY}/${digestParts(moduleDigest).hex}${MODULE_SUFFIX}`;
}
