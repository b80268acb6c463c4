/**
 * Writes `dist/manifests/`: what installs wasme in a cluster, for those who keep files instead of asking
 * `wasme cache manifests` and `wasme operator manifests`. The last step of `npm run build`.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { writeManifests } from "./manifests/write.mjs";

const { buildCacheObjects } = await import("../dist/mesh/cache-objects.js");
const { buildOperatorKinds, buildOperatorProgram } = await import("../dist/mesh/operator-objects.js");
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

await writeManifests(fileURLToPath(new URL("../dist/manifests", import.meta.url)), version, {
  buildCacheObjects,
  buildOperatorKinds,
  buildOperatorProgram,
});
