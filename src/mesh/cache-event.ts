import { createHash } from "node:crypto";

/** On every event of a node cache about an image; the old tool's name. */
const EVENT_LABEL = "cache.wasme.io/cache_event";
/** Which image: the MD5 of its text on the list as a label, the text itself as an annotation. */
export const EVENT_IMAGE = "cache.wasme.io/image_ref";

/** The labels of a node cache's events about the image that the list names like this. */
export function eventLabels(text: string): Readonly<Record<string, string>> {
  return { [EVENT_LABEL]: "true", [EVENT_IMAGE]: createHash("md5").update(text).digest("hex") };
}
