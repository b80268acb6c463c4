import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { type Descriptor, describe as describeBytes } from "../../src/domain/descriptor.ts";
import { digestParts } from "../../src/domain/digest.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import { parseManifest } from "../../src/domain/manifest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { readTar } from "../../src/images/read-tar.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { chunked, gather, tarOf } from "../support/archives.ts";
import { tempDir } from "../support/temp-dir.ts";

const NAMES = ["h.io/a:1", "h.io/a:2", "h.io/b:1"];

/** Stores the image whose only layer is this text. */
async function putImage(store: ImageStore, text: string): Promise<{ manifest: Descriptor; layer: Descriptor }> {
  const put = async (mediaType: string, content: string): Promise<Descriptor> => {
    const bytes = Buffer.from(content);
    const descriptor = describeBytes(mediaType, bytes);
    await store.push(descriptor, bytesSource(bytes));
    return descriptor;
  };
  const layer = await put("application/octet-stream", text);
  const config = await put(MediaType.ociEmpty, "{}");
  const manifest = await put(MediaType.ociManifest, JSON.stringify({ schemaVersion: 2, config, layers: [layer] }));
  return { manifest, layer };
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("tag" as const), name: fc.nat(2), image: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("untag" as const), name: fc.nat(2), image: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("prune" as const), name: fc.nat(2), image: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("damage" as const), name: fc.nat(2), image: fc.nat(4) }) },
);

describe("the store", () => {
  it("behaves like a map of names to images, whatever is done in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const dir = join(tempDir(), "images");
        const store = openStore(dir);
        const model = new Map<string, number>();
        const damagedImages = new Set<number>();
        for (const { do: what, name: at, image } of steps) {
          const name = NAMES[at] ?? "";
          if (what === "tag") {
            const { manifest } = await putImage(store, `image ${image}`);
            await store.tag(name, manifest);
            model.set(name, image);
            damagedImages.delete(image);
          }
          if (what === "untag" && (await store.untag(name)) !== model.delete(name)) throw new Error(`untag of ${name}`);
          if (what === "prune") await store.prune({ graceMs: -60_000 });
          if (what === "damage" && [...model.values()].includes(image)) {
            const { layer } = await putImage(openStore(join(tempDir(), "other")), `image ${image}`);
            const { algorithm, hex } = digestParts(layer.digest);
            const path = join(dir, "blobs", algorithm, hex);
            chmodSync(path, 0o644);
            writeFileSync(path, "of another size");
            damagedImages.add(image);
          }
        }
        const entries = await openStore(dir).entries();
        expect(new Map(entries.map((entry) => [entry.reference, entry.state]))).toEqual(
          new Map([...model].map(([name, image]) => [name, damagedImages.has(image) ? "damaged" : "ok"])),
        );
        // Reading everything comes to the same judgement, and a dry clean-up to the same as a real one.
        const audit = await store.audit();
        expect(audit.faults.filter(({ digest }) => digest === undefined)).toEqual([]);
        expect(audit.entries.map(({ reference, faults }) => [reference, faults.length > 0 ? "damaged" : "ok"])).toEqual(
          entries.map((entry) => [entry.reference, entry.state]),
        );
        const dry = await store.prune({ graceMs: -60_000, dryRun: true });
        expect(audit.unnamed?.files).toBe(dry.removed.length);
        expect(await store.prune({ graceMs: -60_000 })).toEqual(dry);
        const kept = new Set(model.values()).size;
        const blobs = steps.some((each) => each.do === "tag") ? readdirSync(join(dir, "blobs/sha256")) : [];
        expect(blobs).toHaveLength(kept === 0 ? 0 : 2 * kept + 1);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back what was stored, however it came and whatever part is asked for", async () => {
    const store = openStore(join(tempDir(), "images"));
    const sizes = fc.oneof(fc.nat(2000), fc.nat(3_000_000));
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 1, max: 700_000 }),
        fc.nat(),
        fc.nat(),
        async (size, chunk, one, other) => {
          const bytes = Buffer.alloc(size, `${size} ${chunk} `);
          const descriptor = describeBytes("a/b", bytes);
          const body = { size, open: () => chunked(bytes, Math.max(chunk, Math.ceil(size / 500))) };
          await (one % 2 === 0 ? store.push(descriptor, body) : store.pushVerified(descriptor, body));
          expect((await gather(store.fetch(descriptor))).equals(bytes)).toBe(true);
          const [start = 0, end = 0] = [one % (size + 1), other % (size + 1)].toSorted((a, b) => a - b);
          const part = await gather(store.read(descriptor.digest, { start, end }));
          expect(part.equals(bytes.subarray(start, end))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("readers of foreign bytes", () => {
  it("refuse any JSON that is no manifest with an error of ours", () => {
    const blob = { mediaType: "a/b", digest: `sha256:${"0".repeat(64)}`, size: 1 };
    const valid = { schemaVersion: 2, config: blob, layers: [blob], annotations: { a: "b" } };
    const keys = ["schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "subject", "__proto__"];
    const change = fc.tuple(fc.constantFrom(...keys), fc.jsonValue());
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(change, { maxLength: 3 }).map((changes) => JSON.stringify({ ...valid, ...Object.fromEntries(changes) })),
    );
    fc.assert(
      fc.property(text, (json) => {
        try {
          expect(["image", "index"]).toContain(parseManifest(Buffer.from(json), undefined).kind);
        } catch (error) {
          if (!(error instanceof WasmeError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });

  it("read a damaged archive to its end, or refuse it", async () => {
    const archive = tarOf([
      { name: "plugin.wasm", content: "x".repeat(1000) },
      { name: "x", type: "x", content: "12 path=abc\n" },
      { name: "link", type: "2", link: "/etc/passwd" },
    ]);
    const damage = fc.array(fc.tuple(fc.nat(archive.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(archive.byteLength), async (changes, length) => {
        const bytes = Buffer.from(archive);
        for (const [at, value] of changes) bytes[at] = value;
        let seen = 0;
        try {
          for await (const entry of readTar(chunked(bytes.subarray(0, length), 333), 1 << 16)) {
            seen += (await gather(entry.body)).byteLength;
          }
        } catch (error) {
          if (!(error instanceof WasmeError) || error.code !== "LAYER_INVALID") throw error;
        }
        expect(seen).toBeLessThanOrEqual(length);
      }),
      { numRuns: 300 },
    );
  });
});
