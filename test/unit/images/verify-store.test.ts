import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../../src/domain/content.ts";
import { describe as describeBytes, type Descriptor } from "../../../src/domain/descriptor.ts";
import { digestParts } from "../../../src/domain/digest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { pruneStore } from "../../../src/images/prune-store.ts";
import { verifyStore } from "../../../src/images/verify-store.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { tempDir } from "../../support/temp-dir.ts";

let store: ImageStore;
beforeEach(() => {
  store = openStore(join(tempDir(), "images"));
});

async function put(mediaType: string, content: string): Promise<Descriptor> {
  const bytes = Buffer.from(content);
  const descriptor = describeBytes(mediaType, bytes);
  await store.push(descriptor, bytesSource(bytes));
  return descriptor;
}

interface Made {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layer: Descriptor;
}

async function image(name: string, content = name): Promise<Made> {
  const config = await put(MediaType.ociEmpty, "{}");
  const layer = await put("application/octet-stream", content);
  const manifest = await put(MediaType.ociManifest, JSON.stringify({ schemaVersion: 2, config, layers: [layer] }));
  await store.tag(name, manifest);
  return { manifest, config, layer };
}

function fileOf({ digest }: Descriptor): string {
  const { algorithm, hex } = digestParts(digest);
  return join(store.dir, "blobs", algorithm, hex);
}

function overwrite(descriptor: Descriptor, content: string): void {
  chmodSync(fileOf(descriptor), 0o644);
  writeFileSync(fileOf(descriptor), content);
}

describe("verifyStore", () => {
  it("reads everything, finds nothing wrong, and writes nothing", async () => {
    const { layer, config, manifest } = await image("h.io/a:1");
    await image("h.io/b:1");
    const before = readdirSync(store.dir, { recursive: true });
    const told: string[] = [];
    const result = await verifyStore({ store }, { references: [] }, ({ type }) => told.push(type));
    expect(result).toMatchObject({
      ok: true,
      images: [
        { reference: "h.io/a:1", state: "ok", manifestDigest: manifest.digest, problems: [] },
        { reference: "h.io/b:1", state: "ok" },
      ],
      read: { files: 5, bytes: 2 * layer.size + config.size + 2 * manifest.size },
      unnamed: { files: 0, bytes: 0 },
      unfinished: { files: 0, bytes: 0 },
      strays: [],
      problems: [],
    });
    expect(told).toEqual(["task.start", "task.end"]);
    expect(readdirSync(store.dir, { recursive: true })).toEqual(before);
  });

  it("has nothing to say about a store that is not there yet, and does not make it", async () => {
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({ ok: true, images: [], problems: [] });
    expect(existsSync(store.dir)).toBe(false);
  });

  it.each([
    ["one altered byte of a layer", (made: Made) => overwrite(made.layer, "h.io/a:2"), "layer", "was altered"],
    ["a layer of another size", (made: Made) => overwrite(made.layer, "h.io/a"), "layer", "has 6 instead of 8 bytes"],
    ["a missing layer", (made: Made) => rmSync(fileOf(made.layer)), "layer", "is missing"],
    ["a missing manifest", (made: Made) => rmSync(fileOf(made.manifest)), "manifest", "is missing"],
    [
      "an altered manifest",
      (made: Made) => overwrite(made.manifest, "x".repeat(made.manifest.size)),
      "manifest",
      "was altered",
    ],
  ] as const)("tells %s, and that image alone", async (_case, spoil, part, words) => {
    const made = await image("h.io/a:1");
    await image("h.io/b:1");
    spoil(made);
    const result = await verifyStore({ store }, { references: [] });
    expect(result).toMatchObject({ ok: false, problems: [] });
    expect(result.images).toMatchObject([
      {
        reference: "h.io/a:1",
        state: "damaged",
        problems: [
          {
            digest: made[part].digest,
            message: `${made[part].digest} ${words}`,
            mend: expect.stringContaining("wasme rm h.io/a:1"),
          },
        ],
      },
      { reference: "h.io/b:1", state: "ok" },
    ]);
    expect(await verifyStore({ store }, { references: ["h.io/b:1"] })).toMatchObject({ ok: true });
    expect(await verifyStore({ store }, { references: ["h.io/a:1"] })).toMatchObject({ ok: false });
    await image("h.io/a:1");
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({ ok: true });
  });

  it("reads only what named images need, and knows names as rm does", async () => {
    const { manifest } = await image("docker.io/library/a:latest");
    const other = await image("h.io/b:1");
    overwrite(other.layer, "x");
    for (const name of ["a", "docker.io/library/a:latest", `a@${manifest.digest}`]) {
      const { ok, images, read, unnamed } = await verifyStore({ store }, { references: [name, "a"] });
      expect({ ok, images, read: read.files, unnamed }).toMatchObject({
        ok: true,
        images: [{ reference: "docker.io/library/a:latest" }],
        read: 3,
        unnamed: undefined,
      });
    }
    await expect(verifyStore({ store }, { references: ["a", "none"] })).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    await expect(verifyStore({ store }, { references: ["NO"] })).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
  });

  it("counts what no image needs, tells what does not belong, and complains only about altered content", async () => {
    await image("h.io/a:1");
    const lone = await put("text/plain", "nobody's");
    writeFileSync(join(store.dir, "ingest/.tmp-0123456789abcdef"), "half");
    writeFileSync(join(store.dir, "blobs/sha256/README"), "hello");
    const result = await verifyStore({ store }, { references: [] });
    expect(result).toMatchObject({
      ok: true,
      unnamed: { files: 1, bytes: 8 },
      unfinished: { files: 1, bytes: 4 },
      strays: [join(store.dir, "blobs/sha256/README")],
    });
    overwrite(lone, "nobodyes");
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({
      ok: false,
      images: [{ state: "ok" }],
      problems: [{ digest: lone.digest, mend: expect.stringContaining("prune --grace 0") }],
    });
    await pruneStore({ store }, { graceMs: -60_000, dryRun: false });
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({ ok: true, unfinished: { files: 0 } });
  });

  it("tells damage of the layout's own files", async () => {
    await image("h.io/a:1");
    renameSync(join(store.dir, "oci-layout"), join(store.dir, "../marker"));
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({
      ok: false,
      images: [{ state: "ok" }],
      problems: [{ message: expect.stringContaining("oci-layout is missing") }],
    });
    await image("h.io/b:1");
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({ ok: true });
    const index = join(store.dir, "index.json");
    const { manifests } = JSON.parse(readFileSync(index, "utf8")) as { manifests: unknown[] };
    writeFileSync(index, JSON.stringify({ schemaVersion: 2, manifests: [...manifests, ...manifests, 7] }));
    const { ok, problems, images } = await verifyStore({ store }, { references: [] });
    expect(ok).toBe(false);
    expect(problems).toMatchObject([
      { message: expect.stringContaining("h.io/a:1 more than once") },
      { message: expect.stringContaining("h.io/b:1 more than once") },
    ]);
    expect(images.at(-1)).toMatchObject({ reference: "", state: "damaged" });
    writeFileSync(index, "{");
    const lost = await verifyStore({ store }, { references: [] });
    expect(lost.unnamed).toBeUndefined();
    expect(lost).toMatchObject({
      ok: false,
      images: [],
      problems: [{ message: expect.stringContaining("is not an image index"), mend: expect.stringContaining("move") }],
    });
  });

  it("does not call an image damaged that another process removes while it is read", async () => {
    const { layer } = await image("h.io/a:1");
    const references = ["h.io/a:1"];
    const index = join(store.dir, "index.json");
    // Heard when the manifest was read: then the layer goes, and the name with it.
    const leave = (): void => {
      rmSync(fileOf(layer), { force: true });
      writeFileSync(index, JSON.stringify({ schemaVersion: 2, manifests: [] }));
    };
    const { entries } = await store.audit({ references, tell: leave });
    expect(existsSync(fileOf(layer))).toBe(false);
    expect(entries).toEqual([]);
  });

  it("allows an index whose children are absent, but not altered ones", async () => {
    const { manifest, layer } = await image("h.io/a:1");
    const absent = describeBytes(MediaType.ociManifest, Buffer.from("not here"));
    const index = await put(MediaType.ociIndex, JSON.stringify({ schemaVersion: 2, manifests: [manifest, absent] }));
    await store.tag("h.io/all:1", index);
    expect(await verifyStore({ store }, { references: ["h.io/all:1"] })).toMatchObject({
      ok: true,
      read: { files: 4 },
    });
    overwrite(layer, "h.io/a:2");
    expect(await verifyStore({ store }, { references: ["h.io/all:1"] })).toMatchObject({
      ok: false,
      images: [{ problems: [{ digest: layer.digest }] }],
    });
  });
});

describe("pruneStore", () => {
  it("tells what it would remove, down to the byte, without writing", async () => {
    await image("h.io/a:1");
    const lone = await put("text/plain", "nobody's");
    const left = join(store.dir, "ingest/.tmp-0123456789abcdef");
    writeFileSync(left, "half");
    utimesSync(fileOf(lone), 0, 0);
    utimesSync(left, 0, 0);
    await put("text/plain", "young");
    const before = readdirSync(store.dir, { recursive: true });
    const wet = { removed: [lone.digest], unfinishedFiles: 1, freedBytes: 12, young: { files: 1, bytes: 5 } };
    writeFileSync(join(store.dir, "index.lock"), "held by nobody knows whom");
    const request = { graceMs: 3_600_000, dryRun: true };
    expect(await pruneStore({ store }, request)).toEqual({ dryRun: true, ...wet });
    rmSync(join(store.dir, "index.lock"));
    expect(readdirSync(store.dir, { recursive: true })).toEqual(before);
    expect(await pruneStore({ store }, { ...request, dryRun: false })).toEqual({ dryRun: false, ...wet });
    expect(await pruneStore({ store }, request)).toMatchObject({ removed: [], freedBytes: 0 });
  });

  it("refuses while damage hides what is needed, and says what to do", async () => {
    const { manifest } = await image("h.io/a:1");
    await put("text/plain", "nobody's");
    overwrite(manifest, "x".repeat(manifest.size));
    await expect(pruneStore({ store }, { graceMs: -60_000, dryRun: false })).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      hint: expect.stringContaining("wasme rm"),
    });
    await store.untag("h.io/a:1");
    expect(await pruneStore({ store }, { graceMs: -60_000, dryRun: false })).toMatchObject({ unfinishedFiles: 0 });
    expect(readdirSync(join(store.dir, "blobs/sha256"))).toEqual([]);
  });
});
