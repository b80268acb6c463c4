import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ContentFolder } from "../../../src/cache/content-folder.ts";
import { GzipCopies } from "../../../src/cache/gzip-copies.ts";
import { type Digest, digestOf, digestParts } from "../../../src/domain/digest.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** Copies of one module; `onRoom` happens between the look at the module and the reading of it. */
async function bench(onRoom: (at: { readonly modules: ContentFolder; readonly module: Digest }) => void) {
  const dir = tempDir();
  const modules = new ContentFolder({ dir, suffix: ".wasm" });
  await modules.open();
  const text = "module ".repeat(1000);
  const module = digestOf(text);
  const draft = await modules.draft(module);
  await draft.write(Buffer.from(text));
  await draft.publish(module);
  const hasSpare = (): boolean => {
    onRoom({ modules, module });
    return true;
  };
  const { signal } = new AbortController();
  const copies = new GzipCopies({ dir: join(dir, ".gzip"), modules, hasSpare, log: silentLog, signal });
  const file = join(dir, ".gzip", `${digestParts(module).hex}.gz`);
  return { modules, module, copies, file };
}

describe("a compressed copy", () => {
  it("is made once, and again after it was thrown away", async () => {
    let made = 0;
    const { copies, module, file } = await bench(() => (made += 1));
    await Promise.all([copies.make(module), copies.make(module)]);
    await copies.make(module);
    expect([made, existsSync(file), copies.usedBytes() > 0]).toEqual([1, true, true]);
    await copies.clear();
    await copies.make(module);
    expect([made, existsSync(file)]).toEqual([2, true]);
  });

  it("is not kept of a module that was altered while it was read", async () => {
    const { copies, module, file } = await bench(({ modules, module: digest }) =>
      writeFileSync(modules.pathOf(digest), "another "),
    );
    await copies.make(module);
    expect([existsSync(file), copies.usedBytes(), await copies.open(module)]).toEqual([false, 0, undefined]);
  });

  it("is not kept of a module that was evicted while it was read", async () => {
    let evicted: Promise<unknown> = Promise.resolve();
    const { copies, module, file } = await bench(({ modules, module: digest }) => {
      evicted = modules.remove(digest);
    });
    await copies.make(module);
    await evicted;
    expect([existsSync(file), copies.usedBytes()]).toEqual([false, 0]);
  });
});
