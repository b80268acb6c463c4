import type { Delivery } from "../domain/delivery.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { FILES_VOLUME, imageVolume, type ModuleVolume } from "../mesh/module-volume.ts";

/** The volume that proxies need for a delivery; `undefined` when they need none. */
export function volumeFor(delivery: Delivery, image: ResolvedImage): ModuleVolume | undefined {
  if (delivery === "cache-file") return FILES_VOLUME;
  return delivery === "image-volume" ? imageVolume(image) : undefined;
}
