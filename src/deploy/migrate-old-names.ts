import type { KubeObject } from "../kube/objects.ts";
import { USER_VOLUME, USER_VOLUME_MOUNT } from "../mesh/sidecar-annotations.ts";

/** The field manager of everything the old tool (0.0.x) wrote. Ours are never called so. */
export const OLD_MANAGER = "wasme";

/** Where the old cache put modules on the node, and proxies read them: files named by the module's hash, nothing else. */
export const OLD_DIRECTORY = "/var/local/lib/wasme-cache";

/** The name of that volume in users' annotations. A volume of this name that leads elsewhere is the user's. */
export const OLD_VOLUME = "cache-dir";

/** The key of the old cache's ConfigMap that holds its images, one reference a line. */
export const OLD_LIST = "images";

/** Where the old tool kept what it found in an annotation; a second deploy overwrote it with its own value. */
export const OLD_BACKUPS: Readonly<Record<string, string>> = {
  [USER_VOLUME]: `wasme-backup.${USER_VOLUME}`,
  [USER_VOLUME_MOUNT]: `wasme-backup.${USER_VOLUME_MOUNT}`,
};

/** True when the old tool wrote some of the object's fields. */
export function isOldManaged(object: KubeObject): boolean {
  return (object.metadata.managedFields ?? []).some(({ manager }) => manager === OLD_MANAGER);
}
