import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { inspectImage } from "../../src/images/inspect-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { importImage } from "../../src/images/import-image.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { openStore } from "../../src/store/image-store.ts";
import { type Buildah, openBuildah } from "../components/buildah.ts";
import { component } from "../components/require-component.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { type MadeImage, type MadeLayer, packed } from "../support/layouts.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { putRemote } from "../support/remote-layouts.ts";
import { tempDir } from "../support/temp-dir.ts";

/** What is said of container engines, tried with buildah: it pulls as podman does, with the same library. */
const buildah = await component("buildah", openBuildah);
const HELLO = readFileSync(HELLO_WASM);
const layer = (mediaType: string, bytes: Uint8Array | string): MadeLayer => ({ mediaType, bytes: Buffer.from(bytes) });
const tar = packed([{ name: "plugin.wasm", content: HELLO }]);
const solo = layer(MediaType.soloModule, HELLO);
const soloConfig = layer(MediaType.soloConfig, "{}");
const wasm = layer(MediaType.cncfModule, HELLO);

function imageConfig(layers: readonly MadeLayer[], mediaType: string = MediaType.ociConfig): MadeLayer {
  const diffIds = layers.map(({ bytes }) => `sha256:${createHash("sha256").update(gunzipSync(bytes)).digest("hex")}`);
  const rootfs = { type: "layers", diff_ids: diffIds };
  return layer(mediaType, JSON.stringify({ architecture: "amd64", os: "linux", rootfs }));
}

describe.skipIf("skip" in buildah)("what is said of container engines", () => {
  const engine = "ready" in buildah ? buildah.ready : (undefined as unknown as Buildah);
  let hub: HubServer;
  let client: RegistryClient;

  beforeAll(async () => {
    hub = await startHub();
    client = createRegistryClient({ env: {} });
  });
  afterAll(async () => {
    client.close();
    await hub.close();
    await engine.remove();
  });

  const pulls = async (name: string): Promise<boolean> => {
    const { code } = await engine.run(["pull", "--tls-verify=false", "--policy", "always", name]);
    return code === 0;
  };
  const said = async (name: string): Promise<boolean | undefined> => {
    const request = { reference: parseImageReference(name), from: "registry" } as const;
    const { consumers } = await inspectImage({ store: openStore(tempDir()), registry: client }, request);
    return consumers.find(({ consumer }) => consumer === "Docker, podman")?.accepts;
  };

  it.each<[string, boolean, MadeImage]>([
    ["compat", true, { config: imageConfig([tar]), layers: [tar] }],
    [
      "compat by Docker's types",
      true,
      {
        config: imageConfig([tar], MediaType.dockerConfig),
        layers: [{ ...tar, mediaType: MediaType.dockerTarGzip }],
        mediaType: MediaType.dockerManifest,
      },
    ],
    ["solo", false, { config: soloConfig, layers: [soloConfig, solo] }],
    ["solo with the empty config", false, { layers: [soloConfig, solo] }],
    ["hybrid", false, { config: soloConfig, layers: [soloConfig, solo, tar] }],
    ["CNCF", false, { config: layer(MediaType.cncfConfig, "{}"), layers: [wasm] }],
    ["component builder", false, { config: imageConfig([]), layers: [layer(MediaType.componentModule, HELLO)] }],
    ["docs and compat last", false, { config: imageConfig([tar]), layers: [layer("text/markdown", "# doc"), tar] }],
  ])("%s: %s", async (case_, accepted, image) => {
    const name = `${hub.host}/engines/${case_.toLowerCase().replaceAll(/[^a-z]+/gu, "-")}:v1`;
    await putRemote(client, name, image);
    expect({ said: await said(name), pulls: await pulls(name) }).toEqual({ said: accepted, pulls: accepted });
  });

  it.each([
    ["oci", false],
    ["compat", true],
    ["cncf", false],
  ] as const)("what wasme writes as %s: %s", async (format, accepted) => {
    const reference = parseImageReference(`${hub.host}/engines/ours:${format}`);
    const store = openStore(tempDir());
    await importImage({ store }, { file: HELLO_WASM, reference, check: true });
    const created = new Date(1_700_000_000_000);
    await pushImage({ store, registry: client }, { reference, format, created });
    const name = `${hub.host}/engines/ours:${format}`;
    expect({ said: await said(name), pulls: await pulls(name) }).toEqual({ said: accepted, pulls: accepted });
    if (!accepted) return;
    const told = await engine.output(["inspect", "--type", "image", "--format", "{{.OCIv1.Created}}", name]);
    expect(told).toContain("2023-11-14 22:13:20");
  });
});
