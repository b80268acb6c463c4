import { stringify } from "yaml";

/** As the commands print it: no folded lines, no anchors, and quotes where YAML 1.1, which kubectl reads, wants them. */
const options = { lineWidth: 0, version: "1.1", aliasDuplicateObjects: false };

/** One object. */
export function document(object) {
  return stringify(object, options);
}

/** A file of many. */
export function documents(objects) {
  return objects.map(document).join("---\n");
}
