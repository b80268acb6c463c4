import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { list as listTar } from "tar";
import { beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { convertImage, type ConvertResult } from "../../../src/images/convert-image.ts";
import { importImage } from "../../../src/images/import-image.ts";
import { inspectImage } from "../../../src/images/inspect-image.ts";
import { packCompatImage } from "../../../src/images/pack-compat.ts";
import { pushImage } from "../../../src/images/push-image.ts";
import { resolveImage } from "../../../src/images/resolve-image.ts";
import { openScratch } from "../../../src/images/scratch-file.ts";
import { bytesSource } from "../../../src/domain/content.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { gather } from "../../support/archives.ts";
import { failure } from "../../support/failure.ts";
import { knownLayouts, packed, putImage } from "../../support/layouts.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { storeRegistry } from "../../support/store-registry.ts";
import { tempDir } from "../../support/temp-dir.ts";

const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["hello"] } };
const HELLO = readFileSync(HELLO_WASM);
const HELLO_DIGEST = digestOf(HELLO);
const FORMATS = ["oci", "compat", "cncf"] as const;
const TIME = new Date(1_700_000_000_000);

let dir: string;
let store: ImageStore;

beforeEach(() => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
});

const importHello = async (name: string): Promise<string> => {
  const request = { file: HELLO_WASM, reference: ref(name), runtimeConfig: CONFIG, check: true };
  return (await importImage({ store }, request)).manifestDigest;
};
const convert = (
  source: string,
  target: string,
  format: (typeof FORMATS)[number],
  created?: Date,
): Promise<ConvertResult> => convertImage({ store }, { source: ref(source), target: ref(target), format, created });

describe("converting", () => {
  it.each(Object.entries(knownLayouts(HELLO, JSON.stringify(CONFIG))))(
    "%s into every format, the module kept",
    async (_name, image) => {
      const source = await putImage(store, "h.io/x:v1", image);
      for (const format of FORMATS) {
        const result = await convert("h.io/x:v1", `h.io/y:${format}`, format);
        expect(result).toMatchObject({
          source: "h.io/x:v1",
          target: `h.io/y:${format}`,
          sourceManifestDigest: source.digest,
          moduleDigest: HELLO_DIGEST,
          moduleSize: HELLO.byteLength,
          format,
        });
        const resolved = await resolveImage(
          { store, registry: storeRegistry(join(dir, "none")) },
          { reference: ref(`h.io/y:${format}`), from: "store" },
        );
        expect(resolved).toMatchObject({
          format,
          manifestDigest: result.manifestDigest,
          moduleDigest: HELLO_DIGEST,
        });
        expect(result.unchanged).toBe(result.manifestDigest === source.digest);
      }
      expect((await store.resolve("h.io/x:v1"))?.digest).toBe(source.digest);
    },
  );

  it("goes through all formats and back without loss", async () => {
    const digest = await importHello("h.io/a:v1");
    await convert("h.io/a:v1", "h.io/a:compat", "compat");
    await convert("h.io/a:compat", "h.io/a:cncf", "cncf");
    const back = await convert("h.io/a:cncf", "h.io/a:back", "oci");
    expect(back).toMatchObject({ sourceFormat: "cncf", format: "oci", manifestDigest: digest, unchanged: false });
  });

  it("gives equal digests for equal input, and others for another time", async () => {
    await importHello("h.io/a:v1");
    for (const format of ["compat", "cncf"] as const) {
      const digests: string[] = [];
      for (const time of [undefined, undefined, TIME, TIME]) {
        digests.push((await convert("h.io/a:v1", "h.io/b:v1", format, time)).manifestDigest);
      }
      const [one, two, three, four] = digests;
      expect([one, three]).toEqual([two, four]);
      expect(one).not.toBe(three);
    }
  });

  it("only names what is in the format already", async () => {
    const digest = await importHello("h.io/a:v1");
    const result = await convert("h.io/a:v1", "h.io/b:v1", "oci", TIME);
    expect(result).toMatchObject({ unchanged: true, manifestDigest: digest, sourceFormat: "oci" });
    const blobs = readdirSync(join(store.dir, "blobs/sha256"));
    await convert("h.io/b:v1", "h.io/c:v1", "oci");
    expect(readdirSync(join(store.dir, "blobs/sha256"))).toEqual(blobs);
  });

  it("rewrites an artifact proxies refuse for its number of layers", async () => {
    const { "solo, one layer": one } = knownLayouts(HELLO, JSON.stringify(CONFIG));
    if (one === undefined) throw new Error("no such layout");
    await putImage(store, "h.io/x:v1", one);
    expect(await convert("h.io/x:v1", "h.io/x:v2", "oci")).toMatchObject({
      manifestDigest: await importHello("h.io/a:v1"),
      unchanged: false,
    });
  });

  it("keeps what is said about the image, and tells which layers are left out", async () => {
    const layouts = knownLayouts(HELLO, JSON.stringify(CONFIG));
    const made = layouts["solo, three layers"];
    const plain = layouts["solo, one layer"];
    if (made === undefined || plain === undefined) throw new Error("no such layout");
    const extra = { annotations: { "org.opencontainers.image.source": "https://example.com" } };
    await putImage(store, "h.io/x:v1", { ...made, extra });
    await putImage(store, "h.io/y:v1", plain);
    const warnings: string[] = [];
    const sink = (event: ProgressEvent): void => void (event.type === "warning" && warnings.push(event.message));
    const request = { source: ref("h.io/x:v1"), target: ref("h.io/x:v2"), format: "compat" } as const;
    await convertImage({ store }, request, sink);
    expect(warnings).toEqual([expect.stringMatching(/left out are layers of type text\/markdown$/u)]);
    const { manifest } = await inspectImage(
      { store, registry: storeRegistry(join(dir, "none")) },
      { reference: request.target, from: "store" },
    );
    expect(manifest).toMatchObject(extra);
    await convertImage({ store }, { ...request, source: ref("h.io/y:v1"), format: "oci" }, sink);
    expect(warnings).toHaveLength(1);
  });

  it("refuses a target with a digest, an unknown source and what is no wasm image; names nothing then", async () => {
    await importHello("h.io/a:v1");
    await putImage(store, "h.io/no:v1", { layers: [packed([{ name: "README", content: "x" }])] });
    const before = (await store.names()).length;
    const pinned = `h.io/b:v1@${HELLO_DIGEST}`;
    expect(await failure(convert("h.io/a:v1", pinned, "compat"))).toMatchObject({ code: "TAG_TARGET_INVALID" });
    expect(await failure(convert("h.io/a:v2", "h.io/b:v1", "compat"))).toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(await failure(convert("h.io/no:v1", "h.io/b:v1", "oci"))).toMatchObject({ code: "LAYOUT_UNKNOWN" });
    expect(await store.names()).toHaveLength(before);
  });

  it("leaves nothing in the ingest folder", async () => {
    await importHello("h.io/a:v1");
    await convert("h.io/a:v1", "h.io/a:v2", "compat");
    expect(readdirSync(join(store.dir, "ingest"))).toEqual([]);
  });
});

describe("the layer of a compat image", () => {
  const content = { module: bytesSource(HELLO), runtimeConfig: Buffer.from("{}") };

  it("is the same from the scratch file and compressed again, from any byte on", async () => {
    const kept = await packCompatImage(content, { scratchDir: join(dir, "scratch") });
    const again = await packCompatImage(content, { scratchDir: "/proc/none" });
    expect(readdirSync(join(dir, "scratch"))).toEqual([]);
    const whole = await gather(kept.layerBody.open());
    expect(digestOf(whole)).toBe(kept.layer.digest);
    expect(again.layer).toEqual(kept.layer);
    expect(again.manifest).toEqual(kept.manifest);
    expect(await gather(again.layerBody.open())).toEqual(whole);
    for (const start of [1, 100, whole.byteLength - 1, whole.byteLength]) {
      expect(await gather(kept.layerBody.open(start))).toEqual(whole.subarray(start));
      expect(await gather(again.layerBody.open(start))).toEqual(whole.subarray(start));
    }
    await kept.release();
    await again.release();
  });

  it("has the time that was asked for in every header", async () => {
    const dated = await packCompatImage({ ...content, created: TIME }, { scratchDir: dir });
    const times: number[] = [];
    const reader = listTar({ sync: true, onReadEntry: ({ mtime }) => void times.push(mtime?.getTime() ?? -1) });
    reader.end(gunzipSync(await gather(dated.layerBody.open())));
    expect(times).toEqual([TIME.getTime(), TIME.getTime()]);
    await dated.release();
  });

  it("is read from the scratch file as often as it takes, until that is closed", async () => {
    const scratch = await openScratch(dir);
    if (scratch === undefined) throw new Error("no scratch file");
    await scratch.append(Buffer.from("abc"));
    await scratch.append(Buffer.from("def"));
    const body = scratch.body();
    expect(body.size).toBe(6);
    expect((await gather(body.open())).toString()).toBe("abcdef");
    expect((await gather(body.open(4))).toString()).toBe("ef");
    expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([]);
    await scratch.close();
    await scratch.close();
    await expect(gather(body.open())).rejects.toThrow("closed");
  });
});

describe("pushing as a CNCF artifact", () => {
  it("packs it on the way, and the runtime config comes back", async () => {
    const registry = storeRegistry(join(dir, "registry"));
    const digest = await importHello("h.io/a:v1");
    const request = { reference: ref("h.io/a:v1"), format: "cncf" } as const;
    const pushed = await pushImage({ store, registry }, request);
    expect(pushed).toMatchObject({ format: "cncf", unchanged: false, moduleDigest: HELLO_DIGEST });
    expect(pushed.manifestDigest).not.toBe(digest);
    expect(await pushImage({ store, registry }, request)).toMatchObject({ unchanged: true });
    const resolved = await resolveImage({ store, registry }, { reference: ref("h.io/a:v1"), from: "registry" });
    expect(resolved).toMatchObject({ format: "cncf", runtimeConfig: CONFIG });
    const manifest = await registry.store.manifest({
      mediaType: MediaType.ociManifest,
      digest: pushed.manifestDigest,
      size: (await registry.store.sizeOf(pushed.manifestDigest)) ?? 0,
    });
    expect(manifest).toMatchObject({ kind: "image", manifest: { layers: [{ mediaType: "application/wasm" }] } });
  });
});
