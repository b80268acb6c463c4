import { digestParts } from "../domain/digest.ts";
import { formatReference } from "../domain/image-reference.ts";
import { isObject, type JsonObject } from "../domain/json.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { MODULE_DIRECTORY, MODULE_VOLUME } from "./module-path.ts";

/** A volume of a pod that brings modules, and where a proxy's container mounts it, read-only. */
export interface ModuleVolume {
  readonly name: string;
  /** The volume without its name. */
  readonly source: JsonObject;
  readonly mountPath: string;
}

/** The node's directory of modules, which the node cache fills. */
export const FILES_VOLUME: ModuleVolume = {
  name: MODULE_VOLUME,
  source: { hostPath: { path: MODULE_DIRECTORY, type: "DirectoryOrCreate" } },
  mountPath: MODULE_DIRECTORY,
};

/** Images are mounted below this, each in a directory of its digest: two versions lie side by side. */
const IMAGE_DIRECTORY = "/var/lib/wasme-image";
const IMAGE_VOLUME = /^wasme-image-[0-9a-f]{16}$/u;
/** Where the compat layout has its module; the mount's root is the layer's. */
const MODULE_FILE = "plugin.wasm";

/** The image itself as a volume, pinned by digest alone: a tag beside it could only disagree. */
export function imageVolume(image: Pick<ResolvedImage, "reference" | "manifestDigest">): ModuleVolume {
  const { hex } = digestParts(image.manifestDigest);
  const reference = formatReference({ ...image.reference, tag: undefined, digest: image.manifestDigest });
  return {
    name: imageVolumeName(hex),
    source: { image: { reference, pullPolicy: "IfNotPresent" } },
    mountPath: `${IMAGE_DIRECTORY}/${hex}`,
  };
}

/** Name of the volume of the image with these hexadecimal digits. */
export function imageVolumeName(hex: string): string {
  return `wasme-image-${hex.slice(0, 16)}`;
}

/** The module's file in the proxy's container, when its image is mounted. */
export function imageModulePath(image: Pick<ResolvedImage, "reference" | "manifestDigest">): string {
  return `${imageVolume(image).mountPath}/${MODULE_FILE}`;
}

/** True for a volume, or its mount, that is ours by name and by what it says; somebody may use our name for another. */
export function isModuleVolume(name: string, item: JsonObject): boolean {
  if (IMAGE_VOLUME.test(name)) return true;
  if (name !== MODULE_VOLUME) return false;
  const { hostPath, mountPath } = item;
  return mountPath === MODULE_DIRECTORY || (isObject(hostPath) && hostPath["path"] === MODULE_DIRECTORY);
}
