import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { type ImageReference, parseImageReference, referenceTarget } from "../../src/domain/image-reference.ts";
import { parseManifest } from "../../src/domain/manifest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { openBuildah } from "../components/buildah.ts";
import { type RegistryOptions, type RunningRegistry, startRegistry } from "../components/registry.ts";
import { need } from "../components/require-component.ts";
import { pullTestImage, pushTestImage, readAll, testImage } from "../support/fault-image.ts";
import { tempDir } from "../support/temp-dir.ts";

/** What only docker-registry is asked: tokens in all their states, its catalogue, images that buildah made. The rest is in `registry-matrix`. */
describe("a real registry", () => {
  const image = testImage(1_000_000, "real");
  const closing: (() => Promise<void> | void)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function start(context: Parameters<typeof need>[0], options: RegistryOptions = {}): Promise<RunningRegistry> {
    const registry = await need(context, "registry", () => startRegistry(options));
    closing.push(() => registry.stop());
    return registry;
  }

  function connect(registry: RunningRegistry, options: Partial<RegistryClientOptions> = {}): RegistryClient {
    const { user } = registry;
    const known: Credential | undefined = user && { kind: "basic", username: user.username, password: user.password };
    const trust = registry.caFile === undefined ? {} : { caFile: registry.caFile };
    const client = createRegistryClient({ env: {}, credentials: () => Promise.resolve(known), ...trust, ...options });
    closing.push(() => client.close());
    return client;
  }

  function at(registry: RunningRegistry, path = "demo/filter:v1"): ImageReference {
    return parseImageReference(`${registry.host}/${path}`);
  }

  async function wrongParts(repository: Repository): Promise<readonly string[]> {
    const got = await pullTestImage(repository, image);
    return (["manifest", "config", "module"] as const).filter((part) => Buffer.compare(got[part], image[part]) !== 0);
  }

  it("asks a token server once for a push", async (context) => {
    const registry = await start(context, { auth: "token" });
    await pushTestImage(connect(registry).repository(at(registry), "push"), image);
    expect(registry.tokens?.requests.map(({ scopes }) => scopes)).toEqual([["repository:demo/filter:pull,push"]]);
  });

  it("renews tokens that live for a second", async (context) => {
    const registry = await start(context, { auth: "token", token: { ttlSeconds: 1, field: "access_token" } });
    const repository = connect(registry).repository(at(registry), "push");
    await repository.push(image.configDescriptor, bytesSource(image.config));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await pushTestImage(repository, image);
    expect(await wrongParts(repository)).toEqual([]);
  });

  it.for([false, true])("exchanges a refresh token; POST refused: %s", async (rejectPost, context) => {
    const registry = await start(context, { auth: "token", token: { rejectPost, anonymousPull: true } });
    const { tokens, user } = registry;
    const token = user === undefined ? "" : (tokens?.refreshToken(user) ?? "");
    const credentials = (): Promise<Credential> => Promise.resolve({ kind: "identity-token", username: "", token });
    const repository = connect(registry, { credentials }).repository(at(registry), "push");
    const pushing = pushTestImage(repository, image).then(
      () => "pushed",
      (error: unknown) => (error as { code?: string }).code,
    );
    expect(await pushing).toBe(rejectPost ? "LOGIN_REFUSED" : "pushed");
    expect(tokens?.requests[0]?.method).toBe("POST");
  });

  it("tells a foreign authority, and takes its word when told to", async (context) => {
    const registry = await start(context, { tls: true });
    const { caFile: _caFile, ...plain } = registry;
    const untrusting = connect({ ...plain, caFile: undefined });
    await expect(untrusting.repository(at(registry)).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
      kind: "unreachable",
      hint: expect.stringContaining("--ca-file"),
    });
    const careless = connect({ ...plain, caFile: undefined }, { insecure: true });
    expect(await careless.repository(at(registry)).fetchManifest("v1")).toBeUndefined();
  });

  it.for([{}, { auth: "token" }] as const)("lists repositories over pages: %j", async (options, context) => {
    const registry = await start(context, options);
    const small = testImage(100);
    const client = connect(registry);
    const names = Array.from({ length: 101 }, (_, i) => `demo/r${String(i).padStart(3, "0")}`);
    for (const name of names) await pushTestImage(client.repository(at(registry, `${name}:v1`), "push"), small);
    expect(await client.catalog(registry.host)).toEqual(names);
    const asked = registry.tokens?.requests.map(({ scopes }) => scopes).at(-1) ?? ["registry:catalog:*"];
    expect(asked).toEqual(["registry:catalog:*"]);
  });

  it.for(["oci", "v2s2"] as const)("takes images of buildah: %s", async (format, context) => {
    const buildah = await need(context, "buildah", openBuildah);
    closing.push(() => buildah.remove());
    const registry = await start(context);
    const dir = tempDir();
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "plugin.wasm"), image.module);
    const reference = at(registry, `demo/compat:${format}`);
    const target = `${registry.host}/demo/compat:${format}`;
    const files = [join(dir, "plugin.wasm")];
    await buildah.pushScratchImage({ reference: target, files, format, pushOptions: ["--tls-verify=false"] });
    const repository = connect(registry).repository(reference);
    const found = await repository.fetchManifest(referenceTarget(reference));
    expect(found?.descriptor.mediaType).toBe(format === "oci" ? MediaType.ociManifest : MediaType.dockerManifest);
    const parsed = parseManifest(found?.bytes ?? new Uint8Array(), found?.descriptor.mediaType);
    const layers = parsed.kind === "image" ? parsed.manifest.layers : [];
    expect(layers).toHaveLength(1);
    for (const layer of layers) expect((await readAll(repository.fetch(layer))).byteLength).toBe(layer.size);
  });
});
