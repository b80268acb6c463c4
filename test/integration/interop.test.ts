import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { describe as describeContent } from "../../src/domain/descriptor.ts";
import { digestOf } from "../../src/domain/digest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { PackFormat } from "../../src/domain/wasm-image.ts";
import { pullImage, type PullResult } from "../../src/images/pull-image.ts";
import { pushImage, type PushResult } from "../../src/images/push-image.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { knowAccount, openPeer, type Peer, type PeerName, peerNames } from "../components/peers.ts";
import type { RegistryOptions } from "../components/registry.ts";
import { type RegistryKind, registryKinds } from "../components/registry-kinds.ts";
import { need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { tempDir } from "../support/temp-dir.ts";
import { CONFIG, HELLO, HELLO_DIGEST, storeWith, useRegistry } from "./registry-support.ts";

const formats: readonly PackFormat[] = ["oci", "compat", "cncf"];

const places: readonly (readonly [RegistryKind, string, RegistryOptions])[] = [
  ...registryKinds.map((kind) => [kind, "open to all", {}] as const),
  ["docker-registry", "TLS and htpasswd", { tls: true, auth: "htpasswd" }],
  ["distribution", "TLS and tokens", { tls: true, auth: "token" }],
];

/** What one client pushes the others read, byte for byte. */
describe.each(places)("%s, %s", (kind, _mode, options) => {
  const site = useRegistry({ ...options, kind });
  const { registry, named } = site;

  async function open(context: TestContext, name: PeerName): Promise<Peer> {
    const peer = await need(context, name, () => openPeer(name, registry(), tempDir()));
    await knowAccount(peer, registry());
    return peer;
  }

  async function push(image: string, format: PackFormat = "oci"): Promise<PushResult> {
    const { store } = await storeWith(tempDir(), named(image));
    return pushImage({ store, registry: site.open() }, { reference: site.at(image), format });
  }

  async function pull(image: string): Promise<PullResult & { readonly store: ImageStore }> {
    const store = openStore(join(tempDir(), "images"));
    const pulled = await pullImage({ store, registry: site.open() }, { reference: site.at(image) });
    return { ...pulled, store };
  }

  // crane refuses to ask a token server on a private address for a token.
  const peers = peerNames.filter((name) => name !== "crane" || options.auth !== "token");
  const pairs = peers.flatMap((peer) => formats.map((format) => [peer, format] as const));

  it.for(pairs)("%s reads what we push as %s, and we read what it pushes of that", async ([name, format], context) => {
    const peer = await open(context, name);
    const { manifestDigest, moduleDigest } = await push(`ours/${name}:${format}`, format);
    const layout = join(tempDir(), "layout");
    await peer.toLayout(`ours/${name}:${format}`, layout);
    expect(onlyImage(layout)).toBe(manifestDigest);
    expectWhole(layout, manifestDigest);

    await peer.fromLayout(layout, `theirs/${name}:${format}`);
    expect(moduleDigest).toBe(HELLO_DIGEST);
    expect(await pull(`theirs/${name}:${format}`)).toMatchObject({ manifestDigest, moduleDigest, format });
  });

  it("all see the same bytes of a manifest, and the same tags", async (context) => {
    const { manifestDigest } = await push("ours/seen:v1");
    const image = named("ours/seen");
    const asked: Readonly<Record<PeerName, readonly (readonly string[])[]>> = {
      oras: [
        ["manifest", "fetch", `${image}:v1`],
        ["repo", "tags", image],
      ],
      crane: [
        ["manifest", `${image}:v1`],
        ["ls", image],
      ],
      skopeo: [
        ["inspect", "--raw", `docker://${image}:v1`],
        ["list-tags", `docker://${image}`],
      ],
    };
    for (const name of peers) {
      const peer = await open(context, name);
      const [manifest, tags] = await Promise.all(asked[name].map((args) => peer.run([...args, ...peer.trust()])));
      expect(digestOf(Buffer.from(manifest?.stdout ?? "")), name).toBe(manifestDigest);
      expect(tags?.stdout.match(/v1/gu), name).toEqual(["v1"]);
    }
  });

  it("oras unpacks our image into the two files", async (context) => {
    const oras = await open(context, "oras");
    await push("ours/files:v1");
    const out = tempDir();
    await oras.run(["pull", "--no-tty", ...oras.trust(), "--output", out, named("ours/files:v1")]);
    expect(readdirSync(out).toSorted()).toEqual(["filter.wasm", "runtime-config.json"]);
    expect(digestOf(readFileSync(join(out, "filter.wasm")))).toBe(HELLO_DIGEST);
    expect(JSON.parse(readFileSync(join(out, "runtime-config.json"), "utf8"))).toEqual(CONFIG);
  });

  const solo = [`runtime-config.json:${MediaType.soloConfig}`, `filter.wasm:${MediaType.soloModule}`];
  const orasPushes: readonly (readonly [string, string, readonly string[]])[] = [
    ["the two layers of wasme", "oci", ["--config", `runtime-config.json:${MediaType.soloConfig}`, ...solo]],
    ["an artifact type and the empty config", "oci", ["--artifact-type", MediaType.soloConfig, ...solo]],
    ["a module alone", "oci", [`filter.wasm:${MediaType.soloModule}`]],
    [
      "a CNCF artifact",
      "cncf",
      ["--config", `cncf.json:${MediaType.cncfConfig}`, `filter.wasm:${MediaType.cncfModule}`],
    ],
  ];

  it.for(orasPushes)("we read what oras pushes: %s", async ([, format, args], context) => {
    const oras = await open(context, "oras");
    const cwd = tempDir();
    writeFileSync(join(cwd, "filter.wasm"), HELLO);
    writeFileSync(join(cwd, "runtime-config.json"), JSON.stringify(CONFIG));
    writeFileSync(
      join(cwd, "cncf.json"),
      JSON.stringify({ os: "wasip1", architecture: "wasm", layerDigests: [HELLO_DIGEST] }),
    );
    const image = named("oras/pushed:v1");
    const told = await oras.run(["push", "--format", "json", ...oras.trust(), image, ...args], cwd);
    const { digest } = JSON.parse(told.stdout) as { digest: string };
    expect(await pull("oras/pushed:v1")).toMatchObject({
      manifestDigest: digest,
      moduleDigest: HELLO_DIGEST,
      format,
    });
  });

  it.for(peers.filter((name) => name === "crane"))(
    "we read an image %s makes of a tar archive",
    async (name, context) => {
      const crane = await open(context, name);
      const cwd = tempDir();
      writeFileSync(join(cwd, "plugin.wasm"), HELLO);
      writeFileSync(join(cwd, "runtime-config.json"), JSON.stringify(CONFIG));
      await runOk("tar", ["-cf", "layer.tar", "plugin.wasm", "runtime-config.json"], { cwd });
      // zot takes no media types of Docker's.
      for (const flags of kind === "zot" ? [["--oci-empty-base"]] : [[], ["--oci-empty-base"]]) {
        const image = `crane/appended:v${flags.length}`;
        const args = ["append", ...crane.trust(), ...flags, "--new_layer", join(cwd, "layer.tar")];
        const told = await crane.run([...args, "--new_tag", named(image)]);
        const [, manifestDigest] = /@(sha256:[0-9a-f]{64})/u.exec(told.stdout) ?? [];
        expect(await pull(image)).toMatchObject({ manifestDigest, moduleDigest: HELLO_DIGEST, format: "compat" });
      }
    },
  );

  it("we read, and hand on unchanged, what the archived wasme pushed", async () => {
    const { module, config, manifest } = wasmeImage();
    const client = site.open();
    const repository = client.repository(site.at("old/wasme:v1"), "push");
    for (const [type, bytes] of [[MediaType.soloConfig, config] as const, [MediaType.soloModule, module] as const]) {
      await repository.push(describeContent(type, bytes), bytesSource(bytes));
    }
    await repository.pushManifest("v1", manifest, MediaType.ociManifest);
    const pulled = await pull("old/wasme:v1");
    expect(pulled).toMatchObject({
      manifestDigest: "sha256:4631037d312085bfacd4ecead9a2c906f2053a754839964e0e996fe312dd015e",
      moduleDigest: "sha256:6f8160e37bbac7cf4f08b042ea510d2ceda511392b8a403e2fc04ae8352b8b99",
      format: "oci",
    });
    const { store, manifestDigest } = pulled;
    const again = { store, registry: site.open() };
    const reference = site.at("old/wasme:v1");
    expect(await pushImage(again, { reference })).toMatchObject({ manifestDigest, unchanged: true });
  });
});

/** The digest of the one image of an OCI layout. */
function onlyImage(layout: string): string {
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  const digests = new Set(index.manifests.map(({ digest }) => digest));
  expect([...digests]).toHaveLength(1);
  return [...digests].join("");
}

/** Every blob of a manifest lies in the layout, with the bytes its name promises. */
function expectWhole(layout: string, manifestDigest: string): void {
  const blob = (digest: string): Buffer => readFileSync(join(layout, "blobs", digest.replace(":", "/")));
  const bytes = blob(manifestDigest);
  const manifest = JSON.parse(bytes.toString()) as { config: { digest: string }; layers: { digest: string }[] };
  for (const digest of [manifestDigest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)]) {
    expect(digestOf(blob(digest))).toBe(digest);
  }
}

/** An image byte for byte as wasme 0.0.33 pushed it: no media type in the manifest, annotations always there. */
function wasmeImage(): { readonly module: Buffer; readonly config: Buffer; readonly manifest: Buffer } {
  const size = 30_000;
  const blocks: Buffer[] = [];
  for (let block = sha256("seed"); blocks.length * 32 < size; block = sha256(block)) blocks.push(block);
  const header = Buffer.from("0061736d0100000000b4ea0103706164", "hex"); // a custom section "pad" of 30,004 bytes
  const module = Buffer.concat([header, Buffer.concat(blocks).subarray(0, size)]);
  const abis = ["v0-4689a30309abf31aee9ae36e73d34b1bb182685f", "v0.2.1"];
  const config = Buffer.from(
    JSON.stringify({ type: "envoy_proxy", abiVersions: abis, config: { rootIds: ["add_header"] } }),
  );
  const titled = (mediaType: string, bytes: Buffer, title: string): object => ({
    ...describeContent(mediaType, bytes),
    annotations: { "org.opencontainers.image.title": title },
  });
  const first = titled(MediaType.soloConfig, config, "runtime-config.json");
  const manifest = {
    schemaVersion: 2,
    config: first,
    layers: [first, titled(MediaType.soloModule, module, "filter.wasm")],
    annotations: {
      "module.wasm.runtime/abi_version": abis.join(","),
      "module.wasm.runtime/type": "envoy_proxy",
    },
  };
  return { module, config, manifest: Buffer.from(JSON.stringify(manifest)) };
}

function sha256(bytes: string | Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}
