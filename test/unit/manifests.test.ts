import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { packageVersion } from "../../src/cli/version.ts";
import { buildCacheObjects } from "../../src/mesh/cache-objects.ts";
import { buildOperatorKinds, buildOperatorProgram } from "../../src/mesh/operator-objects.ts";
import { manifestFiles } from "../../tools/manifests/write.mjs";

const golden = join(import.meta.dirname, "../golden/manifests");
const files = manifestFiles(packageVersion(), { buildCacheObjects, buildOperatorKinds, buildOperatorProgram });
if (process.env["UPDATE_GOLDEN"] === "1") rewrite();

describe("manifests", () => {
  it.each(Object.entries(files))("%s is as it was read and agreed to", (name, text) => {
    expect(text).toBe(readFileSync(join(golden, name), "utf8"));
  });

  it("are all there is", () => {
    const kept = readdirSync(golden, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(golden, join(entry.parentPath, entry.name)));
    expect(kept.toSorted()).toEqual(Object.keys(files).toSorted());
  });
});

function rewrite(): void {
  rmSync(golden, { recursive: true, force: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(golden, name)), { recursive: true });
    writeFileSync(join(golden, name), text);
  }
}
