import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { withScratch } from "../../../src/toolchain/scratch.ts";
import { tempDir } from "../../support/temp-dir.ts";

it("removes what a compiler left, whether it went well or not", async () => {
  const tmp = tempDir();
  const left = async (folder: string): Promise<void> => await writeFile(join(folder, "filter.o"), "");
  await withScratch(tmp, left);
  const stopped = withScratch(tmp, async (folder) => {
    await left(folder);
    throw new Error("stopped");
  });
  await expect(stopped).rejects.toThrow("stopped");
  expect(await readdir(tmp)).toEqual([]);
});
