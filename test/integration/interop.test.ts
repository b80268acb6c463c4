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
import { runProcess } from "../../src/platform/process-runner.ts";
import { type CredentialDeps, createCredentials } from "../../src/registry/credentials.ts";
import { storeCredential } from "../../src/registry/store-credential.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { knowAccount, openPeer, type Peer, type PeerName, peerNames } from "../components/peers.ts";
import type { RegistryOptions } from "../components/registry.ts";
import { need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { pushReferrer, testReferrer } from "../support/referrers.ts";
import { tempDir } from "../support/temp-dir.ts";
import {
  CONFIG,
  HELLO,
  HELLO_DIGEST,
  type Site,
  storeWith,
  type SuiteKind,
  suiteKinds,
  useRegistry,
} from "./registry-support.ts";

const formats: readonly PackFormat[] = ["oci", "compat", "cncf"];

const SIGNATURE = "application/vnd.example.signature";
const SBOM = "application/spdx+json";

const places: readonly (readonly [SuiteKind, string, RegistryOptions])[] = [
  ...suiteKinds.map((kind) => [kind, "open to all", {}] as const),
  ["docker-registry", "TLS and htpasswd", { tls: true, auth: "htpasswd" }],
  ["distribution", "TLS and tokens", { tls: true, auth: "token" }],
  ["wasme", "TLS and tokens", { tls: true, auth: "token" }],
];

/** What one client pushes the others read, byte for byte. */
describe.each(places)("%s, %s", (kind, _mode, options) => {
  const site = useRegistry({ ...options, kind });
  const { named } = site;

  const peers = peersAt(kind, options);
  const pairs = peers.flatMap((peer) => formats.map((format) => [peer, format] as const));

  it.for(pairs)("%s reads what we push as %s, and we read what it pushes of that", async ([name, format], context) => {
    const peer = await openKnown(site, context, name);
    const { manifestDigest, moduleDigest } = await push(site, `ours/${name}:${format}`, format);
    const layout = join(tempDir(), "layout");
    await peer.toLayout(`ours/${name}:${format}`, layout);
    expect(onlyImage(layout)).toBe(manifestDigest);
    expectWhole(layout, manifestDigest);

    await peer.fromLayout(layout, `theirs/${name}:${format}`);
    expect(moduleDigest).toBe(HELLO_DIGEST);
    expect(await pull(site, `theirs/${name}:${format}`)).toMatchObject({ manifestDigest, moduleDigest, format });
  });

  it("all see the same bytes of a manifest, and the same tags", async (context) => {
    const { manifestDigest } = await push(site, "ours/seen:v1");
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
      const peer = await openKnown(site, context, name);
      const [manifest, tags] = await Promise.all(asked[name].map((args) => peer.run([...args, ...peer.trust()])));
      expect(digestOf(Buffer.from(manifest?.stdout ?? "")), name).toBe(manifestDigest);
      expect(tags?.stdout.match(/v1/gu), name).toEqual(["v1"]);
    }
  });

  it("oras unpacks our image into the two files", async (context) => {
    const oras = await openKnown(site, context, "oras");
    await push(site, "ours/files:v1");
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
    const oras = await openKnown(site, context, "oras");
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
    expect(await pull(site, "oras/pushed:v1")).toMatchObject({
      manifestDigest: digest,
      moduleDigest: HELLO_DIGEST,
      format,
    });
  });

  const craneWays = peers.includes("crane")
    ? (["OCI types", "Docker types", "docker save"] as const).filter((way) => way === "OCI types" || kind !== "zot")
    : [];

  // zot takes no media types of Docker's.
  it.for(craneWays)("we read an image crane makes of a tar archive: %s", async (way, context) => {
    const crane = await openKnown(site, context, "crane");
    const cwd = tempDir();
    writeFileSync(join(cwd, "plugin.wasm"), HELLO);
    writeFileSync(join(cwd, "runtime-config.json"), JSON.stringify(CONFIG));
    await runOk("tar", ["-cf", "layer.tar", "plugin.wasm", "runtime-config.json"], { cwd });
    const image = `crane/appended:${way.replace(" ", "-").toLowerCase()}`;
    const flags = way === "OCI types" ? ["--oci-empty-base"] : [];
    const append = ["append", ...crane.trust(), ...flags, "--new_layer", "layer.tar", "--new_tag", named(image)];
    const told =
      way === "docker save"
        ? await crane
            .run([...append, "--output", "image.tar"], cwd)
            .then(() => crane.run(["push", ...crane.trust(), "image.tar", named(image)], cwd))
        : await crane.run(append, cwd);
    const manifestDigest = /@(sha256:[0-9a-f]{64})/u.exec(told.stdout)?.[1];
    expect(await pull(site, image)).toMatchObject({ manifestDigest, moduleDigest: HELLO_DIGEST, format: "compat" });
  });

  it("oras finds what we attach to an image, and we what it attaches", async (context) => {
    const oras = await openKnown(site, context, "oras");
    const { manifestDigest } = await push(site, "ours/referred:v1");
    const image = named("ours/referred:v1");
    const cwd = tempDir();
    writeFileSync(join(cwd, "sbom.json"), "{}");
    const attach = ["attach", "--format", "json", "--artifact-type", SBOM, ...oras.trust(), image, `sbom.json:${SBOM}`];
    const { digest } = JSON.parse((await oras.run(attach, cwd)).stdout) as { digest: string };
    const repository = site.open().repository(site.at("ours/referred:v1"), "push");
    const listed = await repository.referrers(manifestDigest);
    expect(listed.map((each) => each.digest)).toEqual([digest]);

    const found = await repository.fetchManifest("v1");
    const signature = testReferrer(describeContent(MediaType.ociManifest, found?.bytes ?? Buffer.alloc(0)), {
      artifactType: SIGNATURE,
    });
    await pushReferrer(repository, signature);
    const told = await oras.run(["discover", "--format", "json", ...oras.trust(), image]);
    expect(told.stdout).toContain(signature.descriptor.digest);
    expect(told.stdout).toContain(digest);
  });

  it("we read, and hand on unchanged, what the archived wasme pushed", async () => {
    const { module, config, manifest } = wasmeImage();
    const client = site.open();
    const repository = client.repository(site.at("old/wasme:v1"), "push");
    for (const [type, bytes] of [[MediaType.soloConfig, config] as const, [MediaType.soloModule, module] as const]) {
      await repository.push(describeContent(type, bytes), bytesSource(bytes));
    }
    await repository.pushManifest("v1", manifest, MediaType.ociManifest);
    const pulled = await pull(site, "old/wasme:v1");
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

const locked = places.filter(([, , { auth }]) => auth !== undefined);

describe.each(locked)("%s, %s, accounts", (kind, _mode, options) => {
  const site = useRegistry({ ...options, kind });

  it.for(peersAt(kind, options))(
    "the account that %s keeps opens the registry to us, ours to it",
    async (name, context) => {
      const { registry } = site;
      const { user, host } = registry();
      const { username = "", password = "" } = user ?? {};
      const account = { kind: "basic", username, password } as const;
      await push(site, "ours/account:v1");
      const peer = await need(context, name, () => openPeer(name, registry(), tempDir()));
      await peer.login({ username, password });
      expect(await createCredentials(keptBy(peer))(host)).toMatchObject(account);

      const other = await need(context, name, () => openPeer(name, registry(), tempDir()));
      const layout = join(tempDir(), "layout");
      await expect(other.toLayout("ours/account:v1", layout)).rejects.toThrow(/401|unauthori[sz]ed|authentication/iu);
      await storeCredential(keptBy(other), host, account);
      await other.toLayout("ours/account:v1", layout);
      expect(onlyImage(layout)).toMatch(/^sha256:/u);
    },
  );
});

/** crane refuses to ask a token server on a private address for a token, unless the registry itself is there. */
function peersAt(kind: SuiteKind, { auth }: RegistryOptions): readonly PeerName[] {
  return peerNames.filter((name) => name !== "crane" || auth !== "token" || kind === "wasme");
}

/** A client that knows the registry's user. */
async function openKnown({ registry }: Site, context: TestContext, name: PeerName): Promise<Peer> {
  const peer = await need(context, name, () => openPeer(name, registry(), tempDir()));
  await knowAccount(peer, registry());
  return peer;
}

async function push({ named, at, open }: Site, image: string, format: PackFormat = "oci"): Promise<PushResult> {
  const { store } = await storeWith(tempDir(), named(image));
  return pushImage({ store, registry: open() }, { reference: at(image), format });
}

async function pull({ at, open }: Site, image: string): Promise<PullResult & { readonly store: ImageStore }> {
  const store = openStore(join(tempDir(), "images"));
  return { ...(await pullImage({ store, registry: open() }, { reference: at(image) })), store };
}

/** Where our own client looks for and keeps accounts when it shares the folder of another. */
function keptBy({ accounts }: Peer): CredentialDeps {
  const paths = { dockerConfigDir: accounts, legacyCredentials: join(accounts, "none.json") };
  return { env: {}, exec: runProcess, paths };
}

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
