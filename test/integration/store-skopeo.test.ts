import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { importImage } from "../../src/images/import-image.ts";
import { listImages } from "../../src/images/list-images.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { openStore } from "../../src/store/image-store.ts";
import { openBuildah } from "../components/buildah.ts";
import { type Component, component, need } from "../components/require-component.ts";
import { type RunningRegistry, startRegistry } from "../components/registry.ts";
import { skopeo, skopeoPath } from "../components/skopeo.ts";
import { knownLayouts, putImage } from "../support/layouts.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";

const CONFIG = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["hello"] } };
const HELLO = readFileSync(HELLO_WASM);
const HELLO_DIGEST = digestOf(HELLO);

let found: Component<RunningRegistry>;
beforeAll(async () => {
  found = await component("registry", startRegistry);
  const tool = await component("skopeo", skopeoPath);
  if ("skip" in tool) found = tool;
});
afterAll(async () => {
  if ("ready" in found) await found.ready.stop();
});

describe("skopeo and Debian's registry", () => {
  it("read our store by full reference, and we keep our notes when skopeo adds to it", async (context) => {
    if ("skip" in found) return context.skip(found.skip);
    const { host } = found.ready;
    const dir = join(tempDir(), "images");
    const store = openStore(dir);
    const name = `${host}/demo/ours:v1`;
    const { manifestDigest } = await importImage(
      { store },
      { file: HELLO_WASM, reference: ref(name), runtimeConfig: CONFIG, check: true },
    );
    const copied = await skopeo(["copy", "--dest-tls-verify=false", `oci:${dir}:${name}`, `docker://${name}`]);
    expect(copied).toMatchObject({ code: 0 });
    const raw = await skopeo(["inspect", "--tls-verify=false", "--raw", `docker://${name}`]);
    expect(digestOf(Buffer.from(raw.stdout))).toBe(manifestDigest);

    const back = await skopeo([
      "copy",
      "--src-tls-verify=false",
      `docker://${name}`,
      `oci:${dir}:${host}/demo/theirs:v2`,
    ]);
    expect(back).toMatchObject({ code: 0 });
    expect((await listImages({ store })).images).toMatchObject([
      { name: `${host}/demo/ours`, updated: expect.stringMatching(/^\d{4}-/u), manifestDigest },
      {
        name: `${host}/demo/theirs`,
        tag: "v2",
        updated: undefined,
        manifestDigest,
        moduleDigest: HELLO_DIGEST,
        state: "ok",
      },
    ]);
  });

  it("take what we push, and we read back the same bytes, in both formats", async (context) => {
    if ("skip" in found) return context.skip(found.skip);
    const { host } = found.ready;
    const registry = createRegistryClient({ env: {} });
    try {
      const store = openStore(join(tempDir(), "images"));
      const reference = ref(`${host}/demo/pushed:v1`);
      await importImage({ store }, { file: HELLO_WASM, reference, runtimeConfig: CONFIG, check: true });
      for (const format of ["oci", "compat"] as const) {
        const pushed = await pushImage({ store, registry }, { reference, format });
        expect(pushed).toMatchObject({ format, unchanged: false });
        expect(await pushImage({ store, registry }, { reference, format })).toMatchObject({ unchanged: true });
        const out = join(tempDir(), "out");
        const copy = await skopeo([
          "copy",
          "--src-tls-verify=false",
          `docker://${host}/demo/pushed:v1`,
          `oci:${out}:x`,
        ]);
        expect(copy).toMatchObject({ code: 0 });
        const theirs = await openStore(out).resolve("x");
        expect(theirs?.digest).toBe(pushed.manifestDigest);
        const fresh = openStore(join(tempDir(), "images"));
        const pulled = await pullImage({ store: fresh, registry }, { reference });
        expect(pulled).toMatchObject({ manifestDigest: pushed.manifestDigest, moduleDigest: HELLO_DIGEST, format });
        const resolved = await resolveImage({ store: fresh, registry }, { reference, from: "registry" });
        expect(resolved).toMatchObject({ moduleDigest: HELLO_DIGEST, runtimeConfig: CONFIG });
      }
    } finally {
      registry.close();
    }
  });

  it("hold what we read: every known layout, brought by skopeo", async (context) => {
    if ("skip" in found) return context.skip(found.skip);
    const { host } = found.ready;
    const registry = createRegistryClient({ env: {} });
    const made = openStore(join(tempDir(), "made"));
    const store = openStore(join(tempDir(), "images"));
    try {
      const layouts = Object.entries(knownLayouts(HELLO, JSON.stringify(CONFIG)));
      for (const [at, [name, image]] of layouts.entries()) {
        // skopeo does not read Docker's manifests from an OCI layout; buildah pushes one below.
        if (image.mediaType !== undefined) continue;
        const reference = `${host}/demo/layouts:l${at}`;
        const { digest } = await putImage(made, reference, image);
        const copied = await skopeo([
          "copy",
          "--preserve-digests",
          "--dest-tls-verify=false",
          `oci:${made.dir}:${reference}`,
          `docker://${reference}`,
        ]);
        expect(copied, name).toMatchObject({ code: 0 });
        const pulled = await pullImage({ store, registry }, { reference: ref(reference) });
        expect(pulled, name).toMatchObject({ manifestDigest: digest, moduleDigest: HELLO_DIGEST, format: image.has });
      }
    } finally {
      registry.close();
    }
  });

  it.for([
    ["oci", "application/vnd.oci.image.manifest.v1+json"],
    ["v2s2", "application/vnd.docker.distribution.manifest.v2+json"],
  ] as const)("hold what we read: an ordinary image made by buildah as %s", async ([format, mediaType], context) => {
    if ("skip" in found) return context.skip(found.skip);
    const { host } = found.ready;
    const reference = `${host}/demo/buildah:${format}`;
    const dir = tempDir();
    writeFileSync(join(dir, "plugin.wasm"), HELLO);
    writeFileSync(join(dir, "runtime-config.json"), JSON.stringify(CONFIG));
    const buildah = await need(context, "buildah", openBuildah);
    const registry = createRegistryClient({ env: {} });
    try {
      const files = ["plugin.wasm", "runtime-config.json"].map((name) => join(dir, name));
      await buildah.pushScratchImage({ reference, files, format, pushOptions: ["--tls-verify=false"] });
      const store = openStore(join(dir, "images"));
      const pulled = await pullImage({ store, registry }, { reference: ref(reference) });
      expect(pulled).toMatchObject({ moduleDigest: HELLO_DIGEST, format: "compat" });
      expect(await store.resolve(reference)).toMatchObject({ mediaType });
      const resolved = await resolveImage({ store, registry }, { reference: ref(reference), from: "store" });
      expect(resolved.runtimeConfig).toEqual(CONFIG);
      await pushImage({ store, registry }, { reference: ref(reference), format: "oci" });
      expect(await pullImage({ store, registry }, { reference: ref(reference) })).toMatchObject({ format: "oci" });
    } finally {
      registry.close();
      await buildah.remove();
    }
  });
});
