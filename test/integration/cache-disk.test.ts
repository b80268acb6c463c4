import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { waitFor } from "../components/wait.ts";
import { testImage } from "../support/fault-image.ts";
import { startHub } from "../support/hub.ts";
import { tempDir } from "../support/temp-dir.ts";
import { fillDisk, mountTmpfs } from "../support/tmpfs.ts";
import { push, startTestCache } from "./cache-support.ts";

describe("a full disk", () => {
  it("is reported, leaves no half file, harms nobody, and is over when there is room again", async (context) => {
    const { dir } = mountTmpfs(context, "1m");
    const hub = await startHub();
    onTestFinished(() => hub.close());
    const [one, two] = [testImage(600_000, "disk-1"), testImage(600_000, "disk-2")];
    const [a, b] = [await push(hub.host, "disk/one:v1", one), await push(hub.host, "disk/two:v1", two)];
    const list = join(tempDir(), "images.txt");
    await writeFile(list, a);
    const directory = join(dir, "modules");
    const cache = await startTestCache({ directory, refFile: list, lingerMs: 20_000 });
    await cache.ready();
    await writeFile(list, `${a}\n${b}\n`);
    const said = await waitFor("the word of it", () => cache.log.find(({ error }) => codeOf(error) === "DISK_FULL"));
    expect(said["msg"]).toContain("disk/two:v1");
    expect(await cache.metric('wasme_cache_entries{state="pulling"}')).toBe(1);
    expect(modulesIn(await readdir(directory))).toHaveLength(1);
    await waitFor("nothing unfinished", async () =>
      (await readdir(directory)).some((name) => name.startsWith(".tmp-")) ? undefined : true,
    );
    expect((await cache.module(one.moduleDescriptor.digest)).status).toBe(200);

    await writeFile(list, b);
    await waitFor("the other module", async () =>
      (await cache.module(two.moduleDescriptor.digest)).status === 200 ? true : undefined,
    );
  });

  it("from the start stops nothing from being served", async (context) => {
    const { dir, remount } = mountTmpfs(context, "1m");
    const hub = await startHub();
    onTestFinished(() => hub.close());
    const [held, other] = [testImage(200_000, "disk-3"), testImage(50_000, "disk-4")];
    const [a, b] = [await push(hub.host, "disk/held:v1", held), await push(hub.host, "disk/other:v1", other)];
    const first = await startTestCache({ directory: dir, references: [a] });
    await first.ready();
    await first.stop();
    fillDisk(dir);
    remount("ro");
    const second = await startTestCache({ directory: dir, references: [a, b] });
    expect((await second.module(held.moduleDescriptor.digest)).status).toBe(200);
    await waitFor("the word of it", () => second.log.find(({ error }) => codeOf(error) === "READ_ONLY"));
    expect((await second.get("/healthz")).status).toBe(200);
    await second.stop();
    remount("rw");
  });
});

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}

function modulesIn(names: readonly string[]): readonly string[] {
  return names.filter((name) => name.endsWith(".wasm"));
}
