import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { formatRuntimeConfig } from "../../src/domain/runtime-config.ts";
import { importImage } from "../../src/images/import-image.ts";
import { listImages } from "../../src/images/list-images.ts";
import { loadImages, type LoadResult } from "../../src/images/load-image.ts";
import { packCompatImage } from "../../src/images/pack-compat.ts";
import { saveImages } from "../../src/images/save-image.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { aptProgram } from "../components/apt.ts";
import { openBuildah } from "../components/buildah.ts";
import { cranePath, orasPath } from "../components/go-programs.ts";
import { need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { skopeo, skopeoPath } from "../components/skopeo.ts";
import { chunked } from "../support/archives.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";

const HELLO = readFileSync(HELLO_WASM);
const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["hello"] } };
const OCI_NAME = "localhost:5000/demo/hello:v1";
const COMPAT_NAME = "ghcr.io/demo/compat:v1";

let dir: string;
let store: ImageStore;
const digests = { oci: "", compat: "" };
beforeEach(async () => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
  const reference = ref(OCI_NAME);
  const made = await importImage({ store }, { file: HELLO_WASM, reference, runtimeConfig: CONFIG, check: true });
  digests.oci = made.manifestDigest;
  digests.compat = await putCompat();
});

/** As `push --format compat` makes it. */
async function putCompat(): Promise<string> {
  const runtimeConfig = formatRuntimeConfig(CONFIG);
  const packed = await packCompatImage({ module: bytesSource(HELLO), runtimeConfig }, { scratchDir: dir });
  await store.push(packed.config.descriptor, bytesSource(packed.config.bytes));
  await store.push(packed.layer, packed.layerBody);
  await store.push(packed.manifest, bytesSource(packed.bytes));
  await store.tag(COMPAT_NAME, packed.manifest);
  await packed.release();
  return packed.manifest.digest;
}

async function saved(...references: string[]): Promise<string> {
  const file = join(dir, "saved.tar");
  await saveImages({ store }, { references, target: { file } });
  return file;
}

async function load(file: string, into: ImageStore): Promise<LoadResult> {
  return await loadImages({ store: into }, { chunks: chunked(readFileSync(file), 60_000), title: file });
}

describe("the store as it lies on disk", () => {
  it("is read by umoci by full reference, and keeps our notes when umoci names an image in it", async (context) => {
    const umoci = await need(context, "umoci", () => aptProgram("umoci"));
    const { stdout } = await runOk(umoci, ["ls", "--layout", store.dir]);
    expect(stdout.split("\n")).toEqual(expect.arrayContaining([OCI_NAME, COMPAT_NAME]));
    const stat = await runOk(umoci, ["stat", "--json", "--image", `${store.dir}:${COMPAT_NAME}`]);
    expect(stat.stdout).toContain("history");
    await runOk(umoci, ["tag", "--image", `${store.dir}:${OCI_NAME}`, "h.io/by/umoci:v1"]);
    const { images } = await listImages({ store });
    expect(images.find(({ reference }) => reference === "h.io/by/umoci:v1")).toMatchObject({
      state: "ok",
      manifestDigest: digests.oci,
    });
    expect(images.find(({ reference }) => reference === OCI_NAME)?.updated).toMatch(/^\d{4}-/u);
    await runOk(umoci, ["gc", "--layout", store.dir]);
    expect(await store.audit()).toMatchObject({ faults: [], unnamed: { files: 0 } });
    expect((await store.audit()).entries.filter(({ faults }) => faults.length > 0)).toEqual([]);
  });

  it("is read by oras by full reference and by digest", async (context) => {
    const oras = await need(context, "oras", orasPath);
    const env = { PATH: process.env["PATH"], HOME: dir };
    const fetched = await runOk(oras, ["manifest", "fetch", "--oci-layout-path", store.dir, OCI_NAME], { env });
    expect(digestOf(fetched.stdout)).toBe(digests.oci);
    for (const [at, source] of [
      ["--oci-layout-path", store.dir, OCI_NAME],
      ["--oci-layout", `${store.dir}@${digests.oci}`],
    ].entries()) {
      const out = join(dir, `out-${at}`);
      await runOk(oras, ["pull", "--no-tty", "--output", out, ...source], { env, cwd: dir });
      expect(digestOf(readFileSync(join(out, "filter.wasm")))).toBe(digestOf(HELLO));
    }
  });

  it("is read by skopeo by full reference", async (context) => {
    await need(context, "skopeo", skopeoPath);
    const raw = await skopeo(["inspect", "--raw", `oci:${store.dir}:${OCI_NAME}`]);
    expect(digestOf(raw.stdout)).toBe(digests.oci);
  });
});

describe("a saved archive", () => {
  it("is read by skopeo as oci-archive, digests kept", async (context) => {
    await need(context, "skopeo", skopeoPath);
    const file = await saved(OCI_NAME, COMPAT_NAME);
    for (const [name, digest] of [
      [OCI_NAME, digests.oci],
      [COMPAT_NAME, digests.compat],
    ] as const) {
      const out = join(dir, "copy");
      const copied = await skopeo(["copy", "--preserve-digests", `oci-archive:${file}:${name}`, `oci:${out}:x`]);
      expect(copied, copied.stderr).toMatchObject({ code: 0 });
      expect(await openStore(out).resolve("x")).toMatchObject({ digest });
    }
  });

  it("is a docker-archive too, for skopeo and crane, where it holds ordinary images", async (context) => {
    await need(context, "skopeo", skopeoPath);
    const crane = await need(context, "crane", cranePath);
    const file = await saved(OCI_NAME, COMPAT_NAME);
    const out = join(dir, "copy");
    const copied = await skopeo(["copy", `docker-archive:${file}:${COMPAT_NAME}`, `oci:${out}:h.io/from/docker:v1`]);
    expect(copied, copied.stderr).toMatchObject({ code: 0 });
    expect((await listImages({ store: openStore(out) })).images).toMatchObject([{ moduleDigest: digestOf(HELLO) }]);
    const { stdout } = await runOk(crane, ["validate", "--tarball", await saved(COMPAT_NAME)]);
    expect(stdout).toContain("PASS");
  });

  it("is pulled by buildah, and so by podman, where it holds ordinary images", async (context) => {
    const buildah = await need(context, "buildah", openBuildah);
    try {
      const file = await saved(OCI_NAME, COMPAT_NAME);
      const pulled = await buildah.run(["pull", `oci-archive:${file}:${COMPAT_NAME}`]);
      expect(pulled, pulled.stderr).toMatchObject({ code: 0 });
      const listed = await buildah.run(["images", "--format", "{{.Name}}:{{.Tag}}"]);
      expect(listed.stdout).toContain(COMPAT_NAME);
    } finally {
      await buildah.remove();
    }
  });

  it("made by skopeo is loaded, digests kept, gzipped or not", async (context) => {
    await need(context, "skopeo", skopeoPath);
    for (const [at, name] of [OCI_NAME, COMPAT_NAME].entries()) {
      const archive = join(dir, `theirs-${at}.tar`);
      const other = `h.io/theirs/image${at}:v1`;
      const copied = await skopeo(["copy", `oci:${store.dir}:${name}`, `oci-archive:${archive}:${other}`]);
      expect(copied, copied.stderr).toMatchObject({ code: 0 });
      const into = openStore(join(tempDir(), "images"));
      const { images } = await load(archive, into);
      expect(images).toMatchObject([
        {
          reference: other,
          manifestDigest: at === 0 ? digests.oci : digests.compat,
          moduleDigest: digestOf(HELLO),
          unchanged: false,
        },
      ]);
      writeFileSync(`${archive}.gz`, gzipSync(readFileSync(archive)));
      expect((await load(`${archive}.gz`, into)).images).toMatchObject([{ unchanged: true }]);
    }
  });
});
