import { createHash } from "node:crypto";
import { bytesSource, type Pusher } from "../../src/domain/content.ts";
import { type Descriptor, describe } from "../../src/domain/descriptor.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { Repository } from "../../src/registry/repository.ts";
import type { ImageStore } from "../../src/store/image-store.ts";

/** An artifact of two layers in memory. */
export interface TestImage {
  readonly module: Uint8Array;
  readonly moduleDescriptor: Descriptor;
  readonly config: Uint8Array;
  readonly configDescriptor: Descriptor;
  readonly manifest: Uint8Array;
  readonly manifestDescriptor: Descriptor;
}

/** Makes an image with a module of so many bytes (noise alone below 20), the same for the same seed. */
export function testImage(size: number, seed = "seed"): TestImage {
  const module = noiseModule(size, seed);
  const config = Buffer.from('{"type":"envoy_proxy","abiVersions":["v0.2.1"],"config":{"rootIds":["add_header"]}}');
  const moduleDescriptor = describe(MediaType.soloModule, module);
  const configDescriptor = describe(MediaType.soloConfig, config);
  const layers = [configDescriptor, moduleDescriptor];
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config: configDescriptor, layers }),
  );
  const manifestDescriptor = describe(MediaType.ociManifest, manifest);
  return { module, moduleDescriptor, config, configDescriptor, manifest, manifestDescriptor };
}

/** Pushes it: blobs at once, the manifest last. */
export async function pushTestImage(repository: Repository, image: TestImage, target = "v1"): Promise<Descriptor> {
  await Promise.all([
    repository.push(image.configDescriptor, bytesSource(image.config)),
    repository.push(image.moduleDescriptor, bytesSource(image.module)),
    repository.push(image.configDescriptor, bytesSource(image.config)),
  ]);
  return repository.pushManifest(target, image.manifest, MediaType.ociManifest);
}

/** Pulls it, everything read to its end. */
export async function pullTestImage(
  repository: Repository,
  image: TestImage,
  target = "v1",
): Promise<{ readonly manifest: Uint8Array; readonly config: Uint8Array; readonly module: Uint8Array }> {
  const found = await repository.fetchManifest(target);
  if (found === undefined) throw new Error(`no manifest ${target}`);
  const [config, module] = await Promise.all([
    readAll(repository.fetch(image.configDescriptor)),
    readAll(repository.fetch(image.moduleDescriptor)),
  ]);
  return { manifest: found.bytes, config, module };
}

/** A whole stream. */
export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Stores it under a name without asking any registry. */
export async function storeTestImage(store: ImageStore, image: TestImage, name: string): Promise<void> {
  await putTestBlobs(store, image);
  await store.push(image.manifestDescriptor, bytesSource(image.manifest));
  await store.tag(name, image.manifestDescriptor);
}

/** Stores its blobs. */
export async function putTestBlobs(to: Pusher, image: TestImage): Promise<void> {
  await to.push(image.configDescriptor, bytesSource(image.config));
  await to.push(image.moduleDescriptor, bytesSource(image.module));
}

/** A sound module: nothing but a custom section of noise (WebAssembly core spec, 5.5.3). */
function noiseModule(size: number, seed: string): Uint8Array {
  if (size < 20) return noise(size, seed);
  const head = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0];
  const rest = size - head.length - 5;
  const length = [0, 7, 14, 21, 28].map((shift, at) => ((rest >>> shift) & 0x7f) | (at < 4 ? 0x80 : 0));
  const name = [3, ...Buffer.from("pad")];
  return Buffer.concat([Buffer.from([...head, ...length, ...name]), noise(rest - name.length, seed)]);
}

/** Bytes that do not compress, by chained hashing. */
function noise(size: number, seed: string): Uint8Array {
  const bytes = Buffer.alloc(size);
  let state = createHash("sha256").update(seed).digest();
  for (let at = 0; at < size; at += state.byteLength) {
    state.copy(bytes, at);
    state = createHash("sha256").update(state).digest();
  }
  return bytes;
}
