import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { WasmeError } from "../../src/domain/errors.ts";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { importImage } from "../../src/images/import-image.ts";
import { loadImages } from "../../src/images/load-image.ts";
import { migrateStore } from "../../src/images/migrate-store.ts";
import { pruneStore } from "../../src/images/prune-store.ts";
import { removeImages } from "../../src/images/remove-image.ts";
import { saveImages } from "../../src/images/save-image.ts";
import { tagImage } from "../../src/images/tag-image.ts";
import { verifyStore } from "../../src/images/verify-store.ts";
import { openStore } from "../../src/store/image-store.ts";
import { chunked } from "../support/archives.ts";
import { writeLegacyImage } from "../support/legacy-store.ts";
import { writeModule } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";

const IMAGES = 6;
const STEPS = 160;
const AT_ONCE = 8;

/** What a command may be told because another was faster; anything else is a fault. */
const OVERTAKEN: Readonly<Record<string, readonly string[]>> = {
  "a clean-up that waits an hour": ["IMAGE_NOT_FOUND"],
  "a clean-up that waits for nobody": [
    "IMAGE_NOT_FOUND",
    "IMAGE_DAMAGED",
    "CONTENT_MISSING",
    "BLOB_MISSING",
    "DRAFT_LOST",
    "ARCHIVE_INCOMPLETE",
  ],
};

it.each([
  ["a clean-up that waits an hour", 3_600_000],
  ["a clean-up that waits for nobody", -60_000],
] as const)(
  "all commands at once beside %s: whatever is named is whole",
  { timeout: 120_000 },
  async (kind, graceMs) => {
    const dir = tempDir();
    const sources = openStore(join(dir, "sources"));
    const old = join(dir, "old");
    mkdirSync(old);
    const names = Array.from({ length: IMAGES }, (_, at) => `h.io/mix/image${at}:v1`);
    for (const [at, name] of names.entries()) {
      const file = writeModule(dir, `module${at}.wasm`, 30_000);
      await importImage({ store: sources }, { file, reference: ref(name), check: true });
      const target = { file: join(dir, `archive${at}.tar`) };
      await saveImages({ store: sources }, { references: [name], target });
      writeLegacyImage(old, `h.io/old/image${at}:v1`, { module: readFileSync(file), config: "{}" });
    }
    const damaged: unknown[] = [];
    /** As separate processes have it: each command opens the store anew. */
    const steps: readonly ((at: number) => Promise<unknown>)[] = [
      (at) => load(at),
      (at) =>
        importImage(store(), { file: join(dir, `module${at}.wasm`), reference: ref(`h.io/b:${at}`), check: true }),
      (at) => tagImage(store(), { source: ref(names[at] ?? ""), target: ref(`h.io/tagged:${at}`) }),
      (at) => removeImages(store(), { references: [names[at] ?? ""] }),
      (at) => saveImages(store(), { references: [names[at] ?? ""], target: { file: join(dir, `out${at}.tar`) } }),
      () => migrateStore(store(), { from: old, force: false, dryRun: false }),
      () => pruneStore(store(), { graceMs, dryRun: false }),
      async () => {
        const { images } = await verifyStore(store(), { references: [] });
        damaged.push(...images.filter(({ state }) => state !== "ok"));
      },
    ];
    const codes = new Map<string, number>();
    let next = 0;
    const work = async (): Promise<void> => {
      for (let at = next++; at < STEPS; at = next++) {
        const step = steps[(at * 5) % steps.length];
        await step?.((at * 7) % IMAGES).catch((error: unknown) => {
          if (!(error instanceof WasmeError)) throw error;
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    expect([...codes.keys()].filter((code) => OVERTAKEN[kind]?.includes(code) !== true)).toEqual([]);
    // Nor did a look from outside, at any moment, find one that was not.
    expect(damaged).toEqual([]);
    const { images, problems } = await verifyStore(store(), { references: [] });
    expect(images.filter(({ state }) => state !== "ok")).toEqual([]);
    expect(problems).toEqual([]);
    for (let at = 0; at < IMAGES; at += 1) await load(at);
    expect(await verifyStore(store(), { references: names })).toMatchObject({ ok: true });

    function store(): { readonly store: ReturnType<typeof openStore> } {
      return { store: openStore(join(dir, "images")) };
    }
    function load(at: number): Promise<unknown> {
      const chunks = chunked(readFileSync(join(dir, `archive${at}.tar`)), 5000);
      return loadImages(store(), { chunks, title: `archive${at}.tar` });
    }
  },
);
