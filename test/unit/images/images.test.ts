import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { digestOf, digestParts } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { formatRuntimeConfig } from "../../../src/domain/runtime-config.ts";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { importImage, type ImportResult } from "../../../src/images/import-image.ts";
import { inspectImage } from "../../../src/images/inspect-image.ts";
import { listImages } from "../../../src/images/list-images.ts";
import { listPublished, type PublishedRegistry } from "../../../src/images/list-published.ts";
import { pullImage, type PullResult } from "../../../src/images/pull-image.ts";
import { pushImage, type PushFormat, type PushResult } from "../../../src/images/push-image.ts";
import { removeImages } from "../../../src/images/remove-image.ts";
import { resolveImage } from "../../../src/images/resolve-image.ts";
import { tagImage } from "../../../src/images/tag-image.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { gather } from "../../support/archives.ts";
import { knownLayouts, packed, putImage } from "../../support/layouts.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { type StoreRegistry, storeRegistry } from "../../support/store-registry.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { filterModule } from "../../support/wasm-builder.ts";

const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["hello"] } };
const HELLO = readFileSync(HELLO_WASM);
const HELLO_DIGEST = digestOf(HELLO);

let dir: string;
let store: ImageStore;
let registry: StoreRegistry;
let events: ProgressEvent[];
const sink = (event: ProgressEvent): void => void events.push(event);
const warnings = (): string[] => events.flatMap((event) => (event.type === "warning" ? [event.message] : []));

beforeEach(() => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
  registry = storeRegistry(join(dir, "registry"));
  events = [];
});

const importHello = (name: string, config: typeof CONFIG | undefined = CONFIG): Promise<ImportResult> =>
  importImage({ store }, { file: HELLO_WASM, reference: ref(name), runtimeConfig: config, check: true }, sink);
const push = (name: string, format?: PushFormat): Promise<PushResult> =>
  pushImage({ store, registry }, { reference: ref(name), format }, sink);
const pull = (name: string): Promise<PullResult> => pullImage({ store, registry }, { reference: ref(name) }, sink);

function damage(where: ImageStore, digest: PullResult["moduleDigest"], edit: (bytes: Buffer) => Uint8Array): void {
  const { algorithm, hex } = digestParts(digest);
  const path = join(where.dir, "blobs", algorithm, hex);
  const bytes = edit(readFileSync(path));
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

const flip = (bytes: Buffer): Buffer => {
  const [first = 0] = bytes;
  return Buffer.concat([Buffer.from([first ^ 1]), bytes.subarray(1)]);
};

describe("importing a module", () => {
  it("stores it under its name, the same every time", async () => {
    const one = await importHello("h.io/a/b:v1");
    const two = await importHello("h.io/a/b:v2");
    expect(one).toMatchObject({ reference: "h.io/a/b:v1", moduleDigest: HELLO_DIGEST, derived: false });
    expect(two.manifestDigest).toBe(one.manifestDigest);
    expect((await listImages({ store })).images).toMatchObject([
      {
        name: "h.io/a/b",
        tag: "v1",
        moduleSize: HELLO.byteLength,
        moduleDigest: HELLO_DIGEST,
        format: "oci",
        state: "ok",
      },
      { name: "h.io/a/b", tag: "v2", manifestDigest: one.manifestDigest },
    ]);
  });

  it("derives a missing runtime config from the module, and says so", async () => {
    const result = await importImage({ store }, { file: HELLO_WASM, reference: ref("x"), check: true }, sink);
    expect(result).toMatchObject({ derived: true, runtimeConfig: { type: "envoy_proxy", abiVersions: ["v0.2.1"] } });
    expect(events).toContainEqual({ type: "milestone", message: expect.stringContaining("derived from") });
  });

  it.each([
    ["a file that is not there", undefined, "FILE_NOT_FOUND", "usage"],
    ["text", Buffer.from("hello"), "MODULE_NOT_WASM", "usage"],
    ["a component", Buffer.from("0061736d0d000100", "hex"), "MODULE_IS_COMPONENT", "incompatible"],
    [
      "an import no proxy has",
      filterModule({ imports: [{ name: "proxy_fly" }] }),
      "MODULE_UNKNOWN_IMPORT",
      "incompatible",
    ],
  ])("refuses %s, and stores nothing", async (_case, bytes, code, kind) => {
    const file = join(dir, "m.wasm");
    if (bytes !== undefined) writeFileSync(file, bytes);
    const request = { file, reference: ref("x"), check: true };
    await expect(importImage({ store }, request)).rejects.toMatchObject({ code, kind });
    expect((await listImages({ store })).images).toEqual([]);
  });

  it("stores a module that fails the check when told to, with a warning, but never what is no module", async () => {
    const file = join(dir, "m.wasm");
    writeFileSync(file, filterModule({ imports: [{ name: "proxy_fly" }] }));
    await importImage({ store }, { file, reference: ref("x"), check: false }, sink);
    expect(warnings()).toContainEqual(expect.stringContaining("proxy_fly"));
    writeFileSync(file, "no");
    await expect(importImage({ store }, { file, reference: ref("x"), check: false })).rejects.toMatchObject({
      code: "MODULE_NOT_WASM",
    });
  });

  it("writes the time it is told to, and none otherwise", async () => {
    const request = { file: HELLO_WASM, reference: ref("h.io/a:v1"), runtimeConfig: CONFIG, check: true };
    const created = new Date(1_700_000_000_000);
    const dated = await importImage({ store }, { ...request, created });
    expect((await importImage({ store }, { ...request, created })).manifestDigest).toBe(dated.manifestDigest);
    const { manifest } = await inspectImage({ store, registry }, { reference: request.reference, from: "store" });
    expect(manifest).toMatchObject({ annotations: { "org.opencontainers.image.created": "2023-11-14T22:13:20Z" } });
    expect((await importImage({ store }, request)).manifestDigest).not.toBe(dated.manifestDigest);
  });

  it("does not take a name with a digest", async () => {
    await expect(importHello(`h.io/a:v1@${HELLO_DIGEST}`)).rejects.toMatchObject({ code: "TAG_TARGET_INVALID" });
  });
});

describe("tagging and removing", () => {
  it("gives a name, moves it, and removes it alone", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    const result = await tagImage({ store }, { source: ref("h.io/a:v1"), target: ref("other") });
    expect(result).toEqual({ source: "h.io/a:v1", target: "docker.io/library/other:latest", manifestDigest });
    await removeImages({ store }, { references: ["h.io/a:v1"] });
    expect((await listImages({ store })).images.map(({ reference }) => reference)).toEqual([result.target]);
    await tagImage({ store }, { source: ref(`docker.io/library/other@${manifestDigest}`), target: ref("h.io/b:x") });
    expect((await removeImages({ store }, { references: ["other", "h.io/b:x"] })).removed).toHaveLength(2);
    expect((await listImages({ store })).images).toEqual([]);
  });

  it("removes nothing when one of the names is unknown", async () => {
    await importHello("h.io/a:v1");
    const request = { references: ["h.io/a:v1", "h.io/a:v2"] };
    await expect(removeImages({ store }, request)).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
      kind: "not-found",
    });
    expect((await listImages({ store })).images).toHaveLength(1);
    await expect(tagImage({ store }, { source: ref("h.io/no:1"), target: ref("x") })).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });

  it("removes a damaged image, and every name of a digest", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    await importHello("h.io/a:v2");
    damage(store, manifestDigest, flip);
    expect((await listImages({ store })).images.map(({ state }) => state)).toEqual(["damaged", "damaged"]);
    const { removed } = await removeImages({ store }, { references: [`h.io/a@${manifestDigest}`] });
    expect(removed.map(({ reference }) => reference)).toEqual(["h.io/a:v1", "h.io/a:v2"]);
  });
});

describe("pushing and pulling", () => {
  it("tells once of each blob that it arrived, and of none that was only looked at", async () => {
    await importHello("h.io/a/b:v1");
    await push("h.io/a/b:v1");
    store = openStore(join(dir, "elsewhere"));
    await pull("h.io/a/b:v1");
    await resolveImage({ store, registry }, { reference: ref("h.io/a/b:v1"), from: "registry" });
    const done = events.flatMap((event) => (event.type === "blob.done" ? [`${event.direction} ${event.size}`] : []));
    const each = [formatRuntimeConfig(CONFIG).byteLength, HELLO.byteLength];
    expect(done.toSorted()).toEqual(
      ["download", "upload"].flatMap((way) => each.map((size) => `${way} ${size}`)).toSorted(),
    );
  });

  it("moves an image byte for byte, and does nothing the second time", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    expect(await push("h.io/a:v1")).toMatchObject({
      manifestDigest,
      unchanged: false,
      format: "oci",
      moduleDigest: HELLO_DIGEST,
    });
    registry.log.length = 0;
    expect(await push("h.io/a:v1")).toMatchObject({ manifestDigest, unchanged: true, uploadedBytes: 0 });
    expect(registry.log).toEqual([]);

    store = openStore(join(dir, "elsewhere"));
    expect(await pull("h.io/a:v1")).toMatchObject({ manifestDigest, moduleDigest: HELLO_DIGEST, unchanged: false });
    registry.log.length = 0;
    expect(await pull("h.io/a:v1")).toMatchObject({ manifestDigest, unchanged: true });
    expect(registry.log).toEqual([]);
    const resolved = await resolveImage({ store, registry }, { reference: ref("h.io/a:v1"), from: "store" });
    expect(resolved).toMatchObject({
      manifestDigest,
      moduleDigest: HELLO_DIGEST,
      runtimeConfig: CONFIG,
      source: "store",
    });
  });

  it("uploads each digest once, the manifest last", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    expect(registry.log).toHaveLength(3);
    expect(registry.log.at(-1)).toBe("manifest v1");
    expect((await registry.store.resolve("h.io/a:v1"))?.digest).toBe(manifestDigest);
  });

  it("heals damaged content by pulling again, fetching only that", async () => {
    await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    damage(store, HELLO_DIGEST, flip);
    await expect(push("h.io/a:v1", "compat")).rejects.toMatchObject({ code: "BLOB_DAMAGED" });
    registry.log.length = 0;
    expect(await pull("h.io/a:v1")).toMatchObject({ unchanged: false });
    expect(registry.log).toEqual([`fetch ${HELLO_DIGEST}`]);
    expect(await pull("h.io/a:v1")).toMatchObject({ unchanged: true });
  });

  it("does not push damaged content, nor name what was damaged on the way", async () => {
    await importHello("h.io/a:v1");
    damage(store, HELLO_DIGEST, (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([7])]));
    await expect(push("h.io/a:v1")).rejects.toMatchObject({ code: "BLOB_DAMAGED" });
    expect(registry.log).not.toContain("manifest v1");
    await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    damage(registry.store, HELLO_DIGEST, (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from([7])]));
    store = openStore(join(dir, "elsewhere"));
    await expect(pull("h.io/a:v1")).rejects.toMatchObject({ code: "BLOB_DAMAGED" });
    expect((await listImages({ store })).images).toEqual([]);
  });

  it("converts to compat on the way, deterministically, and back without loss", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    const compat = await push("h.io/a:v1", "compat");
    expect(compat).toMatchObject({ format: "compat", moduleDigest: HELLO_DIGEST, unchanged: false });
    expect(compat.manifestDigest).not.toBe(manifestDigest);
    expect(await push("h.io/a:v1", "compat")).toMatchObject({ manifestDigest: compat.manifestDigest, unchanged: true });

    store = openStore(join(dir, "elsewhere"));
    const pulled = await pull("h.io/a:v1");
    expect(pulled).toMatchObject({
      manifestDigest: compat.manifestDigest,
      moduleDigest: HELLO_DIGEST,
      format: "compat",
    });
    const [listed] = (await listImages({ store })).images;
    expect(listed).toMatchObject({
      state: "ok",
      moduleDigest: HELLO_DIGEST,
      moduleSize: HELLO.byteLength,
      format: "compat",
    });
    expect(await push("h.io/a:v1")).toMatchObject({ unchanged: true });
    expect(await push("h.io/a:v1", "oci")).toMatchObject({ manifestDigest, format: "oci", unchanged: false });
  });

  it("falls back to compat under auto when the registry refuses artifacts, and says so", async () => {
    registry = storeRegistry(join(dir, "strict"), (manifest) => {
      if (manifest.includes(MediaType.soloConfig))
        throw new WasmeError("failed", "MANIFEST_REFUSED", "no artifacts here");
    });
    await importHello("h.io/a:v1");
    await expect(push("h.io/a:v1")).rejects.toMatchObject({ code: "MANIFEST_REFUSED" });
    expect(await push("h.io/a:v1", "auto")).toMatchObject({ format: "compat" });
    expect(warnings()).toContainEqual(expect.stringContaining("another digest"));
  });

  it("pushes to a digest only what has that digest", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    const pinned = `h.io/a@${manifestDigest}`;
    expect(await push(pinned)).toMatchObject({ manifestDigest });
    expect((await registry.store.resolve(pinned))?.digest).toBe(manifestDigest);
    await expect(push(pinned, "compat")).rejects.toMatchObject({ code: "DIGEST_MISMATCH", kind: "usage" });
    store = openStore(join(dir, "elsewhere"));
    await pull(pinned);
    expect((await listImages({ store })).images).toMatchObject([{ name: "h.io/a", tag: `@${manifestDigest}` }]);
  });

  it("says which image is missing where", async () => {
    await expect(push("h.io/no:v1")).rejects.toThrow("no image h.io/no:v1 in the local store");
    await expect(pull("h.io/no:v1")).rejects.toThrow("the registry has no image h.io/no:v1");
  });

  it("stops when it is told to", async () => {
    await importHello("h.io/a:v1");
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(pushImage({ store, registry, signal }, { reference: ref("h.io/a:v1") })).rejects.toThrow("stop");
  });
});

describe("reading every known layout", () => {
  const REFUSED_BY_ISTIO = new Set([
    "solo, one layer",
    "solo, three layers",
    "CNCF artifact",
    "wasm-to-oci",
    "component builder's type",
  ]);
  const config = JSON.stringify(CONFIG);
  const layouts = Object.entries(knownLayouts(HELLO, config));

  it.each(layouts)("%s", async (name, image) => {
    const manifest = await putImage(registry.store, "h.io/x:v1", image);
    const withConfig = image.has === "oci" || image.has === "compat" ? CONFIG : undefined;
    const expected = {
      manifestDigest: manifest.digest,
      moduleDigest: HELLO_DIGEST,
      moduleSize: HELLO.byteLength,
      format: image.has,
    };
    expect(await pull("h.io/x:v1")).toMatchObject(expected);
    for (const from of ["registry", "store"] as const) {
      const resolved = await resolveImage({ store, registry }, { reference: ref("h.io/x:v1"), from });
      expect(resolved).toMatchObject({ ...expected, source: from });
      expect(resolved.runtimeConfig).toEqual(withConfig);
      expect(resolved.proxyRefusal !== undefined, resolved.proxyRefusal).toBe(REFUSED_BY_ISTIO.has(name));
    }
    expect((await listImages({ store })).images).toMatchObject([{ ...expected, state: "ok" }]);
    expect(await gather(store.fetch(manifest))).toEqual(await gather(registry.store.fetch(manifest)));
    expect(await push("h.io/x:v1", "oci")).toMatchObject({ moduleDigest: HELLO_DIGEST, format: "oci" });
  });

  it("warns when an image holds the module twice", async () => {
    await putImage(registry.store, "h.io/x:v1", layouts.find(([name]) => name === "hybrid")?.[1] ?? { layers: [] });
    await pull("h.io/x:v1");
    expect(warnings()).toEqual([expect.stringContaining("more than one module")]);
  });

  it.each([
    ["no layers", { layers: [] }, "LAYOUT_UNKNOWN"],
    ["zstd", { layers: [packed([], "application/vnd.oci.image.layer.v1.tar+zstd")] }, "LAYOUT_UNKNOWN"],
    [
      "plugin.wasm not in the last layer",
      { layers: [packed([{ name: "plugin.wasm", content: HELLO }]), packed([])] },
      "LAYOUT_UNKNOWN",
    ],
    [
      "plugin.wasm as a link",
      { layers: [packed([{ name: "plugin.wasm", type: "2", link: "/etc/passwd" }])] },
      "LAYOUT_UNKNOWN",
    ],
    [
      "two modules",
      { layers: [HELLO, filterModule()].map((bytes) => ({ mediaType: MediaType.cncfModule, bytes })) },
      "LAYOUT_UNKNOWN",
    ],
    ["no wasm", { layers: [{ mediaType: MediaType.soloModule, bytes: Buffer.from("text text") }] }, "IMAGE_NOT_WASM"],
    ["no wasm in the tar", { layers: [packed([{ name: "plugin.wasm", content: "text" }])] }, "IMAGE_NOT_WASM"],
    [
      "a cut-off header",
      { layers: [{ mediaType: MediaType.soloModule, bytes: HELLO.subarray(0, 6) }] },
      "IMAGE_NOT_WASM",
    ],
    [
      "a component",
      { layers: [{ mediaType: MediaType.cncfModule, bytes: Buffer.from("0061736d0d000100", "hex") }] },
      "MODULE_IS_COMPONENT",
    ],
    [
      "a broken config",
      {
        layers: [
          { mediaType: MediaType.soloModule, bytes: HELLO },
          { mediaType: MediaType.soloConfig, bytes: Buffer.from("{") },
        ],
      },
      "IMAGE_CONFIG_INVALID",
    ],
  ])("refuses an image with %s and names nothing", async (_case, image, code) => {
    await putImage(registry.store, "h.io/x:v1", image);
    await expect(pull("h.io/x:v1")).rejects.toMatchObject({ code, kind: "incompatible" });
    expect((await listImages({ store })).images).toEqual([]);
  });

  it("refuses a tar that unpacks to nonsense", async () => {
    const layer = packed([{ name: "plugin.wasm", content: HELLO }]);
    const cut = { ...layer, bytes: layer.bytes.subarray(0, 500) };
    await putImage(registry.store, "h.io/x:v1", { layers: [cut] });
    await expect(pull("h.io/x:v1")).rejects.toMatchObject({ code: "LAYER_INVALID" });
  });
});

/** Puts an index over one image per platform and gives the images' digests. */
async function index(platforms: readonly (object | undefined)[]): Promise<string[]> {
  const children: string[] = [];
  const manifests: object[] = [];
  for (const [at, platform] of platforms.entries()) {
    const module = {
      mediaType: MediaType.soloModule,
      bytes: filterModule({ custom: [{ name: `m${at}`, bytes: Buffer.from("x") }] }),
    };
    const child = await putImage(registry.store, `h.io/x:child${at}`, { layers: [module] });
    children.push(child.digest);
    manifests.push(platform === undefined ? child : { ...child, platform });
  }
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));
  await registry.repository(ref("h.io/x")).pushManifest("v1", bytes, MediaType.ociIndex);
  return children;
}

describe("an image index", () => {
  it("stands for its first image for linux/amd64, as in Istio", async () => {
    const [, second] = await index([
      { os: "linux", architecture: "arm64" },
      { os: "linux", architecture: "amd64" },
      undefined,
    ]);
    expect((await pull("h.io/x:v1")).manifestDigest).toBe(second);
  });

  it("that is named by its digest is stored under the digest of its image", async () => {
    const [first] = await index([{ os: "linux", architecture: "amd64" }]);
    const { digest } = (await registry.repository(ref("h.io/x")).resolve("v1")) ?? { digest: HELLO_DIGEST };
    expect(digest).not.toBe(first);
    const pulled = await pull(`h.io/x@${digest}`);
    expect(pulled).toMatchObject({ reference: `h.io/x@${first}`, manifestDigest: first });
    const { state } = (await listImages({ store })).images[0] ?? {};
    expect(state).toBe("ok");
    expect(await pull(`h.io/x@${digest}`)).toMatchObject({ unchanged: true });
    const resolved = await resolveImage({ store, registry }, { reference: ref(pulled.reference), from: "store" });
    expect(resolved.manifestDigest).toBe(first);
  });

  it("counts an image without platform as that", async () => {
    const [first] = await index([undefined, { os: "linux", architecture: "amd64" }]);
    expect((await pull("h.io/x:v1")).manifestDigest).toBe(first);
  });

  it("is refused without one, naming what it has", async () => {
    await index([{ os: "linux", architecture: "arm64" }]);
    await expect(pull("h.io/x:v1")).rejects.toMatchObject({
      code: "PLATFORM_MISSING",
      kind: "incompatible",
      hint: expect.stringContaining("linux/arm64"),
    });
    await index([]);
    await expect(pull("h.io/x:v1")).rejects.toMatchObject({ hint: expect.stringContaining("no image at all") });
  });
});

describe("inspecting", () => {
  it("tells what an image is, in the store and in a registry", async () => {
    const { manifestDigest } = await importHello("h.io/a:v1");
    await push("h.io/a:v1");
    const local = await inspectImage({ store, registry }, { reference: ref("h.io/a:v1"), from: "store" });
    expect(local).toMatchObject({
      reference: "h.io/a:v1",
      source: "store",
      format: "oci",
      manifestDigest,
      moduleDigest: HELLO_DIGEST,
      moduleSize: HELLO.byteLength,
      runtimeConfig: CONFIG,
      manifest: { schemaVersion: 2, layers: [{}, { digest: HELLO_DIGEST }] },
      module: { ok: true, abi: "0.2.1" },
    });
    expect(local.consumers[0]).toEqual({ consumer: "Istio", accepts: true, verdict: "accepts" });
    const remote = await inspectImage({ store, registry }, { reference: ref("h.io/a:v1"), from: "registry" });
    expect(remote).toEqual({ ...local, source: "registry" });
    expect(JSON.parse(JSON.stringify(local))).toMatchObject({ manifestDigest });
  });
});

const published = (repositories: Record<string, string[] | Error> | undefined): PublishedRegistry => ({
  catalog: () => Promise.resolve(repositories === undefined ? undefined : Object.keys(repositories)),
  repository: ({ repository }) => ({
    tags: () => {
      const tags = repositories?.[repository];
      return tags instanceof Error ? Promise.reject(tags) : Promise.resolve(tags);
    },
  }),
});

describe("listing a registry", () => {
  it("lists every tag of every repository, sorted, or those that match", async () => {
    const server = "h.io:5000";
    const deps = { registry: published({ "b/c": ["v2", "v1"], a: ["x"] }) };
    const all = await listPublished(deps, { server });
    expect(all.images.map(({ reference }) => reference)).toEqual([
      "h.io:5000/a:x",
      "h.io:5000/b/c:v1",
      "h.io:5000/b/c:v2",
    ]);
    expect((await listPublished(deps, { server, search: "b/" })).images).toHaveLength(2);
  });

  it("leaves out what may not be read, with a warning, and says when there is no catalogue", async () => {
    const denied = new WasmeError("unauthorised", "REGISTRY_DENIED", "no");
    const mixed = published({ secret: denied, open: ["v1"] });
    expect((await listPublished({ registry: mixed }, { server: "h.io" }, sink)).images).toHaveLength(1);
    expect(warnings()).toEqual(["h.io/secret is left out: no"]);
    const none = listPublished({ registry: published(undefined) }, { server: "ghcr.io" });
    await expect(none).rejects.toMatchObject({ code: "CATALOG_UNSUPPORTED" });
  });
});
