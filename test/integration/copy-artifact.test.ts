import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { type Descriptor, describe as describeBytes } from "../../src/domain/descriptor.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { copyArtifact } from "../../src/images/copy-artifact.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { type HubServer, startHub } from "../support/hub.ts";

let here: HubServer;
let there: HubServer;
let client: RegistryClient;

beforeAll(async () => {
  [here, there] = await Promise.all([startHub(), startHub()]);
  client = createRegistryClient({ env: {} });
});
afterAll(async () => {
  client.close();
  await Promise.all([here.close(), there.close()]);
});

const open = (hub: HubServer, name: string): Repository =>
  client.repository(parseImageReference(`${hub.host}/${name}:v1`), "push");

async function pushBlob(to: Repository, text: string): Promise<Descriptor> {
  const blob = describeBytes("text/plain", Buffer.from(text));
  await to.push(blob, bytesSource(Buffer.from(text)));
  return blob;
}

/** A manifest with one layer; what is in it need not be wasm. */
async function pushManifest(to: Repository, text: string, target?: string): Promise<Descriptor> {
  const config = await pushBlob(to, "{}");
  const layers = [await pushBlob(to, text)];
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers }));
  const descriptor = describeBytes(MediaType.ociManifest, bytes);
  return to.pushManifest(target ?? descriptor.digest, bytes, MediaType.ociManifest);
}

async function pushIndex(to: Repository, manifests: readonly Descriptor[], target?: string): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }));
  const { digest } = describeBytes(MediaType.ociIndex, bytes);
  return to.pushManifest(target ?? digest, bytes, MediaType.ociIndex);
}

describe("copyArtifact", () => {
  it("copies any artifact to another registry, byte for byte", async () => {
    const from = open(here, "team/text");
    const pushed = await pushManifest(from, "some text", "v1");
    const to = open(there, "mirror/text");
    expect(await copyArtifact(from, to, { source: "v1", target: "latest" })).toEqual(pushed);
    expect((await to.fetchManifest("latest"))?.bytes).toEqual((await from.fetchManifest("v1"))?.bytes);
  });

  it("copies an index with everything in it, what is in it twice once", async () => {
    const from = open(here, "team/index");
    const [one, two] = [await pushManifest(from, "one"), await pushManifest(from, "two")];
    const inner = await pushIndex(from, [one, two]);
    const outer = await pushIndex(from, [one, inner, two], "v1");
    const to = open(there, "mirror/index");
    const before = client.traffic().requests;
    expect(await copyArtifact(from, to, { source: "v1", target: "v1" })).toEqual(outer);
    for (const each of [one, two, inner, outer]) expect(await to.resolve(each.digest)).toEqual(each);
    // Manifests 4 × GET and PUT; of the blobs 3 × GET, POST and PUT (the config is shared); then our 4 questions.
    expect(client.traffic().requests - before).toBe(8 + 9 + 4);
  });

  it("mounts within a registry", async () => {
    const from = open(here, "team/large");
    await pushManifest(from, "x".repeat(100_000), "v1");
    const reference = parseImageReference(`${here.host}/other/large:v1`);
    const mounting = client.repository(reference, "push", () => ["team/large"]);
    const before = client.traffic().requests;
    await copyArtifact(from, mounting, { source: "v1", target: "v1" });
    // Manifest GET, config POST, layer HEAD and POST, manifest PUT: no blob was read.
    expect(client.traffic().requests - before).toBe(5);
  });

  it("refuses what is not there, and indexes in indexes without end", async () => {
    const from = open(here, "team/deep");
    const to = open(there, "mirror/deep");
    await expect(copyArtifact(from, to, { source: "v9", target: "v1" })).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    let child = await pushManifest(from, "deep");
    for (let depth = 0; depth < 5; depth += 1) child = await pushIndex(from, [child]);
    await expect(copyArtifact(from, to, { source: child.digest, target: "v1" })).rejects.toMatchObject({
      code: "INDEX_TOO_DEEP",
    });
    expect(await to.tags()).toBeUndefined();
  });
});
