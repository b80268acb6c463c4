import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Descriptor, describe as describeBytes } from "../../src/domain/descriptor.ts";
import { type Digest, digestOf } from "../../src/domain/digest.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { inspectImage, type InspectResult } from "../../src/images/inspect-image.ts";
import { pullImage, type PullResult } from "../../src/images/pull-image.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { openStore } from "../../src/store/image-store.ts";
import { failure } from "../support/failure.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { type MadeImage, type MadeLayer, packed } from "../support/layouts.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { putRemote, putRemoteIndex } from "../support/remote-layouts.ts";
import { tempDir } from "../support/temp-dir.ts";
import { filterModule } from "../support/wasm-builder.ts";

const HELLO = readFileSync(HELLO_WASM);
const OTHER = filterModule({ custom: [{ name: "other", bytes: Buffer.from("x") }] });
const COMPONENT = Buffer.from("0061736d0d000100", "hex");
const CONFIG = '{"type":"envoy_proxy","abiVersions":["v0.2.1"],"config":{"rootIds":["hello"]}}';
const SPIN_CONFIG = "application/vnd.fermyon.spin.application.v1+config";

const layer = (mediaType: string, bytes: Uint8Array | string): MadeLayer => ({ mediaType, bytes: Buffer.from(bytes) });
const soloConfig = layer(MediaType.soloConfig, CONFIG);
const solo = layer(MediaType.soloModule, HELLO);
const wasm = layer(MediaType.cncfModule, HELLO);
const cncfConfig = layer(
  MediaType.cncfConfig,
  JSON.stringify({ architecture: "wasm", os: "wasip1", layerDigests: [digestOf(HELLO)] }),
);
const imageConfig = layer(MediaType.ociConfig, '{"architecture":"amd64","os":"linux"}');
const doc = layer("application/vnd.module.wasm.doc.v1+markdown", "# doc");
const spec = layer("application/vnd.module.wasm.spec.v1+yaml", "a: b");
const tar = packed([
  { name: "plugin.wasm", content: HELLO },
  { name: "runtime-config.json", content: CONFIG },
]);

let hub: HubServer;
let client: RegistryClient;
let count = 0;

beforeAll(async () => {
  hub = await startHub();
  client = createRegistryClient({ env: {} });
});
afterAll(async () => {
  client.close();
  await hub.close();
});

const put = async (name: string, image: MadeImage): Promise<Descriptor> => await putRemote(client, name, image);

async function putIndex(name: string, manifests: readonly object[], tag = "v1"): Promise<Descriptor> {
  return await putRemoteIndex(client, name.replace(/v1$/u, tag), manifests);
}

const newName = (): string => `${hub.host}/demo/layout${(count += 1)}:v1`;

async function pull(name: string): Promise<{ result: PullResult; warnings: string[]; module: Digest | undefined }> {
  const store = openStore(tempDir());
  const events: ProgressEvent[] = [];
  const reference = parseImageReference(name);
  const result = await pullImage({ store, registry: client }, { reference }, (event) => void events.push(event));
  const { moduleDigest } = await inspectImage({ store, registry: client }, { reference, from: "store" });
  const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
  return { result, warnings, module: moduleDigest };
}

describe("pulling every known layout from a registry", () => {
  // What is pushed, the format it is read as, and whether a warning says that proxies may see something else.
  it.each<[string, MadeImage, PullResult["format"], boolean]>([
    ["solo, two layers", { config: soloConfig, layers: [soloConfig, solo] }, "oci", false],
    ["solo, one layer", { config: soloConfig, layers: [solo] }, "oci", false],
    ["solo, three layers", { config: soloConfig, layers: [soloConfig, solo, doc] }, "oci", false],
    ["compat", { config: imageConfig, layers: [tar] }, "compat", false],
    ["docs layers and compat last", { config: imageConfig, layers: [spec, doc, tar] }, "compat", false],
    ["CNCF", { config: cncfConfig, layers: [wasm] }, "cncf", false],
    [
      "wasm-to-oci",
      { config: layer(MediaType.wasmToOciConfig, "{}"), layers: [layer(MediaType.wasmToOciModule, HELLO)] },
      "wasm-to-oci",
      false,
    ],
    ["hybrid", { config: soloConfig, layers: [soloConfig, solo, tar] }, "oci", true],
    ["application/wasm and tar+gzip last", { config: cncfConfig, layers: [wasm, tar] }, "cncf", true],
    ["one blob under two types, solo first", { config: cncfConfig, layers: [solo, wasm] }, "oci", false],
    ["one blob under two types, application/wasm first", { config: cncfConfig, layers: [wasm, solo] }, "oci", false],
    [
      "solo with artifactType",
      { config: soloConfig, layers: [soloConfig, solo], extra: { artifactType: MediaType.soloConfig } },
      "oci",
      false,
    ],
    [
      "solo with the empty config",
      { layers: [soloConfig, solo], extra: { artifactType: MediaType.soloConfig } },
      "oci",
      false,
    ],
    [
      "the builder of runwasi",
      { config: imageConfig, layers: [layer(MediaType.componentModule, HELLO)] },
      "component",
      false,
    ],
    [
      "Docker's types",
      {
        config: layer(MediaType.dockerConfig, imageConfig.bytes),
        layers: [{ ...tar, mediaType: MediaType.dockerTarGzip }],
        mediaType: MediaType.dockerManifest,
      },
      "compat",
      false,
    ],
    [
      "a layer that says where else it lies",
      {
        config: soloConfig,
        layers: [soloConfig, solo],
        extra: {
          layers: [soloConfig, solo].map(({ mediaType, bytes }) => ({
            ...describeBytes(mediaType, bytes),
            urls: ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd"],
          })),
        },
      },
      "oci",
      false,
    ],
  ])("%s", async (_case, image, format, warned) => {
    const name = newName();
    const { digest } = await put(name, image);
    const { result, warnings, module } = await pull(name);
    expect(result).toMatchObject({ format, manifestDigest: digest, moduleDigest: digestOf(HELLO), unchanged: false });
    expect(module).toBe(digestOf(HELLO));
    expect(warnings).toHaveLength(warned ? 1 : 0);
  });

  it.each<[string, MadeImage, string, string]>([
    [
      "a component",
      { config: cncfConfig, layers: [layer(MediaType.cncfModule, COMPONENT)] },
      "MODULE_IS_COMPONENT",
      "component",
    ],
    [
      "a component by its own type",
      { config: imageConfig, layers: [layer(MediaType.componentModule, COMPONENT)] },
      "MODULE_IS_COMPONENT",
      "component",
    ],
    [
      "a Spin application",
      {
        config: layer(SPIN_CONFIG, "{}"),
        layers: [layer(MediaType.wasmToOciModule, HELLO), layer("application/vnd.fermyon.spin.data.v1+tar+gzip", "x")],
      },
      "LAYOUT_UNKNOWN",
      "Spin application",
    ],
    [
      "a zstd layer",
      { config: imageConfig, layers: [{ ...tar, mediaType: "application/vnd.oci.image.layer.v1.tar+zstd" }] },
      "LAYOUT_UNKNOWN",
      "zstd",
    ],
    [
      "two modules of one type",
      { config: cncfConfig, layers: [wasm, layer(MediaType.cncfModule, OTHER)] },
      "LAYOUT_UNKNOWN",
      "2 layers",
    ],
    [
      "an ordinary image",
      { config: imageConfig, layers: [packed([{ name: "app.wasm", content: HELLO }])] },
      "LAYOUT_UNKNOWN",
      "plugin.wasm",
    ],
  ])("tells what it is instead: %s", async (_case, image, code, said) => {
    const name = newName();
    await put(name, image);
    const error = await failure(pull(name));
    expect(error).toMatchObject({ code, kind: "incompatible" });
    expect(error.message).toContain(said);
  });

  it("warns when two types name two modules", async () => {
    const name = newName();
    await put(name, { config: cncfConfig, layers: [solo, layer(MediaType.cncfModule, OTHER)] });
    const { result, warnings } = await pull(name);
    expect(result.moduleDigest).toBe(digestOf(HELLO));
    expect(warnings).toEqual([expect.stringContaining("more than one module")]);
  });
});

describe("an index in a registry", () => {
  const child = async (name: string, module: Uint8Array): Promise<Descriptor> =>
    await put(name.replace(/v1$/u, `c${(count += 1)}`), {
      config: cncfConfig,
      layers: [layer(MediaType.cncfModule, module)],
    });
  const on = (os: string, architecture: string): object => ({ platform: { os, architecture } });

  it("with a wasip1 child is read, with a warning that Istio does not find it", async () => {
    const name = newName();
    const found = await child(name, HELLO);
    await putIndex(name, [
      { ...(await child(name, OTHER)), ...on("linux", "arm64") },
      { ...(await child(name, OTHER)), ...on("wasip2", "wasm") },
      { ...found, ...on("wasip1", "wasm") },
    ]);
    const { result, warnings } = await pull(name);
    expect(result).toMatchObject({ manifestDigest: found.digest, moduleDigest: digestOf(HELLO) });
    expect(warnings).toEqual([expect.stringContaining("Istio does not find")]);
    const reference = parseImageReference(name);
    const { consumers } = await inspectImage(
      { store: openStore(tempDir()), registry: client },
      { reference, from: "registry" },
    );
    expect(consumers.find(({ consumer }) => consumer === "Istio")?.reason).toContain("linux/amd64");
    expect(consumers.filter(({ accepts }) => accepts).map(({ consumer }) => consumer)).toEqual([
      "runwasi",
      "wasmCloud",
    ]);
  });

  it("prefers the child that proxies take", async () => {
    const name = newName();
    const found = await child(name, HELLO);
    await putIndex(name, [
      { ...(await child(name, OTHER)), ...on("wasip1", "wasm") },
      { ...found, ...on("linux", "amd64") },
    ]);
    const { result, warnings } = await pull(name);
    expect(result.manifestDigest).toBe(found.digest);
    expect(warnings).toEqual([]);
  });

  it.each([
    ["no child", []],
    ["children for other platforms only", [on("linux", "arm64"), on("windows", "amd64")]],
  ])("with %s is refused", async (_case, platforms) => {
    const name = newName();
    const only = await child(name, HELLO);
    await putIndex(
      name,
      platforms.map((platform) => ({ ...only, ...platform })),
    );
    expect(await failure(pull(name))).toMatchObject({ code: "PLATFORM_MISSING", kind: "incompatible" });
  });

  it("of indexes is followed, but not for ever", async () => {
    const name = newName();
    const inner = await child(name, HELLO);
    let index = await putIndex(name, [{ ...inner, ...on("linux", "amd64") }], "d1");
    for (let depth = 2; depth <= 4; depth += 1) index = await putIndex(name, [index], `d${depth}`);
    expect((await pull(name.replace(/v1$/u, "d4"))).result.manifestDigest).toBe(inner.digest);
    await putIndex(name, [index], "d5");
    const error = await failure(pull(name.replace(/v1$/u, "d5")));
    expect(error).toMatchObject({ code: "LAYOUT_UNKNOWN", kind: "incompatible" });
    expect(error.message).toContain("4 deep");
  });

  it("that a registry serves for its own child does not go round in circles", async () => {
    const [manifest] = [describeBytes(MediaType.ociIndex, Buffer.from("{}"))];
    let asked = 0;
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
    const lying = {
      ...client.repository(parseImageReference(newName())),
      fetchManifest: async () => {
        asked += 1;
        return { descriptor: manifest, bytes };
      },
    };
    const registry = { repository: () => lying as never };
    const work = pullImage({ store: openStore(tempDir()), registry }, { reference: parseImageReference(newName()) });
    expect(await failure(work)).toMatchObject({ code: "LAYOUT_UNKNOWN" });
    expect(asked).toBe(5);
  });
});

describe("inspecting in a registry", () => {
  const SBOM = "application/vnd.cyclonedx+json";
  const inspect = async (name: string, registry: Pick<RegistryClient, "repository"> = client): Promise<InspectResult> =>
    await inspectImage(
      { store: openStore(tempDir()), registry },
      { reference: parseImageReference(name), from: "registry" },
    );

  it("lists what is attached", async () => {
    const name = newName();
    const { mediaType, digest, size } = await put(name, { config: soloConfig, layers: [soloConfig, solo] });
    expect((await inspect(name)).attached).toEqual([]);
    const attached = await put(name.replace(/v1$/u, "sbom"), {
      layers: [layer(SBOM, "{}")],
      extra: { artifactType: SBOM, subject: { mediaType, digest, size }, annotations: { made: "by hand" } },
    });
    expect((await inspect(name)).attached).toEqual([
      {
        digest: attached.digest,
        mediaType: MediaType.ociManifest,
        artifactType: SBOM,
        size: attached.size,
        annotations: { made: "by hand" },
      },
    ]);
  });

  it("shows the image all the same where that is refused or not known", async () => {
    const name = newName();
    await put(name, { config: soloConfig, layers: [soloConfig, solo] });
    const open = (reference: Parameters<RegistryClient["repository"]>[0]): Repository => client.repository(reference);
    const wrap = (referrers: (() => Promise<never>) | undefined): Pick<RegistryClient, "repository"> => ({
      repository: (reference) => {
        const real = open(reference);
        const calls = {
          fetch: real.fetch.bind(real),
          fetchManifest: real.fetchManifest.bind(real),
          ...(referrers && { referrers }),
        };
        return calls as unknown as Repository;
      },
    });
    const denied = (): Promise<never> => Promise.reject(new WasmeError("unauthorised", "REGISTRY_DENIED", "no"));
    expect(await inspect(name, wrap(denied))).not.toHaveProperty("attached");
    expect(await inspect(name, wrap(undefined))).not.toHaveProperty("attached");
    const bug = wrap(() => Promise.reject(new TypeError("a bug")));
    await expect(inspect(name, bug)).rejects.toThrow("a bug");
  });

  it("looks for plugin.wasm in a last layer that proxies would take", async () => {
    const verdictOf = async (image: MadeImage): Promise<string | undefined> => {
      const name = newName();
      await put(name, image);
      return (await inspect(name)).consumers.find(({ consumer }) => consumer === "Istio")?.verdict;
    };
    const without = packed([{ name: "other.wasm", content: HELLO }]);
    const broken = { ...tar, bytes: tar.bytes.subarray(0, 40) };
    expect(await verdictOf({ config: soloConfig, layers: [soloConfig, solo, tar] })).toBe("accepts");
    expect(await verdictOf({ config: soloConfig, layers: [soloConfig, solo, without] })).toBe("refuses");
    expect(await verdictOf({ config: soloConfig, layers: [soloConfig, solo, broken] })).toBe("refuses");
  });
});
