import { readFileSync, writeFileSync } from "node:fs";
import { stringify } from "yaml";

/** The values as YAML documents. */
export function toYaml(...documents: readonly unknown[]): string {
  return documents.map((document) => stringify(document, { lineWidth: 0 })).join("---\n");
}

/** The text of `test/golden/mesh/NAME.yaml`; with `UPDATE_GOLDEN=1` the given values are written there first. */
export function golden(name: string, ...documents: readonly unknown[]): string {
  const file = new URL(`../../golden/mesh/${name}.yaml`, import.meta.url);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, toYaml(...documents));
  return readFileSync(file, "utf8");
}
