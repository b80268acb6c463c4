import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { PackFormat } from "../../src/domain/wasm-image.ts";
import { importImage } from "../../src/images/import-image.ts";
import { inspectImage } from "../../src/images/inspect-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { openStore } from "../../src/store/image-store.ts";
import { istioPullerPath, pullWithIstio } from "../components/istio-puller.ts";
import { component } from "../components/require-component.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { knownLayouts, type MadeImage, type MadeLayer, packed } from "../support/layouts.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { putRemote, putRemoteIndex } from "../support/remote-layouts.ts";
import { tempDir } from "../support/temp-dir.ts";
import { filterModule } from "../support/wasm-builder.ts";

/** What is said of Istio, tried with the code of its agent. */
const istio = await component("istio", istioPullerPath);

const HELLO = readFileSync(HELLO_WASM);
const OTHER = filterModule({ custom: [{ name: "other", bytes: Buffer.from("x") }] });
const layer = (mediaType: string, bytes: Uint8Array | string): MadeLayer => ({ mediaType, bytes: Buffer.from(bytes) });
const soloConfig = layer(MediaType.soloConfig, "{}");
const solo = layer(MediaType.soloModule, HELLO);
const wasm = layer(MediaType.cncfModule, HELLO);
const cncfConfig = layer(MediaType.cncfConfig, "{}");
const imageConfig = layer(MediaType.ociConfig, '{"architecture":"amd64","os":"linux"}');
const tarOf = (name: string, content: Uint8Array = HELLO): MadeLayer => packed([{ name, content }]);
const tar = tarOf("plugin.wasm");

const rows: Readonly<Record<string, MadeImage>> = {
  ...knownLayouts(HELLO, "{}"),
  "application/wasm and tar+gzip last": { config: cncfConfig, layers: [wasm, tar] },
  "one blob under two types, solo first": { config: cncfConfig, layers: [solo, wasm] },
  "one blob under two types, application/wasm first": { config: cncfConfig, layers: [wasm, solo] },
  "solo with artifactType": {
    config: soloConfig,
    layers: [soloConfig, solo],
    extra: { artifactType: MediaType.soloConfig },
  },
  "docs of other types and compat last": { config: imageConfig, layers: [layer("text/markdown", "# doc"), tar] },
  "hybrid without plugin.wasm": { config: soloConfig, layers: [soloConfig, solo, tarOf("other.wasm")] },
  "Docker's types in an OCI manifest": {
    config: imageConfig,
    layers: [{ ...tar, mediaType: MediaType.dockerTarGzip }],
  },
  "OCI's types in a Docker manifest": { config: imageConfig, layers: [tar], mediaType: MediaType.dockerManifest },
  "two other layers": { config: cncfConfig, layers: [wasm, layer("text/markdown", "# doc")] },
};

describe.skipIf("skip" in istio)("what is said of Istio", () => {
  let hub: HubServer;
  let client: RegistryClient;

  beforeAll(async () => {
    hub = await startHub();
    client = createRegistryClient({ env: {} });
  });
  afterAll(async () => {
    client.close();
    await hub.close();
  });

  const said = async (name: string): Promise<boolean | undefined> => {
    const request = { reference: parseImageReference(name), from: "registry" } as const;
    const deps = { store: openStore(tempDir()), registry: client };
    const { consumers } = await inspectImage(deps, request);
    const verdict = consumers.find(({ consumer }) => consumer === "Istio");
    expect((await resolveImage(deps, request)).proxyRefusal, "what a deploy goes by").toBe(verdict?.reason);
    return verdict?.accepts;
  };
  const nameOf = (row: string): string => `${hub.host}/istio/${row.toLowerCase().replaceAll(/[^a-z0-9]+/gu, "-")}:v1`;

  it.each(Object.entries(rows))("%s", async (row, image) => {
    const name = nameOf(row);
    const { digest } = await putRemote(client, name, image);
    const [answer] = await pullWithIstio([name]);
    expect({ accepts: await said(name) }, answer?.refused).toEqual({ accepts: answer?.refused === undefined });
    if (answer?.refused !== undefined) return;
    expect(answer).toEqual({ reference: name, manifestDigest: digest, moduleDigest: digestOf(HELLO) });
  });

  it.each<[string, string, string, boolean]>([
    ["an index for linux/amd64", "linux", "amd64", true],
    ["an index for linux/arm64 and linux/amd64", "linux", "arm64", true],
    ["an index for wasm", "wasip1", "wasm", false],
  ])("%s", async (row, os, architecture, accepted) => {
    const name = nameOf(row);
    const image = { config: soloConfig, layers: [soloConfig, solo] };
    const first = await putRemote(client, name.replace(/v1$/u, "first"), image);
    const other = await putRemote(client, name.replace(/v1$/u, "other"), {
      config: soloConfig,
      layers: [soloConfig, layer(MediaType.soloModule, OTHER)],
    });
    const children = [{ ...(architecture === "arm64" ? other : first), platform: { os, architecture } }];
    if (architecture === "arm64") children.push({ ...first, platform: { os: "linux", architecture: "amd64" } });
    await putRemoteIndex(client, name, children);
    const [answer] = await pullWithIstio([name]);
    expect({ said: await said(name), accepts: answer?.refused === undefined }).toEqual({
      said: accepted,
      accepts: accepted,
    });
    expect(answer?.moduleDigest).toBe(accepted ? digestOf(HELLO) : undefined);
  });

  it.each<[PackFormat, boolean]>([
    ["oci", true],
    ["compat", true],
    ["cncf", false],
  ])("what wasme writes as %s: %s", async (format, accepted) => {
    const name = `${hub.host}/istio/ours:${format}`;
    const reference = parseImageReference(name);
    const store = openStore(tempDir());
    await importImage({ store }, { file: HELLO_WASM, reference, check: true });
    const pushed = await pushImage({ store, registry: client }, { reference, format });
    const [answer] = await pullWithIstio([name]);
    expect(await said(name)).toBe(accepted);
    expect(answer?.manifestDigest).toBe(accepted ? pushed.manifestDigest : undefined);
    expect(answer?.moduleDigest).toBe(accepted ? digestOf(HELLO) : undefined);
    expect(answer?.refused?.includes("number of layers must be 2 but got 1")).toBe(accepted ? undefined : true);
  });
});
