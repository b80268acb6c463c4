/** The image's parts as an OCI image layout, written by the store of wasme, and pushed by its registry client. */
import { spawn } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { bytesSource } from "../../dist/domain/content.js";
import { describe } from "../../dist/domain/descriptor.js";
import { parseImageReference, withDigest } from "../../dist/domain/image-reference.js";
import { MediaType } from "../../dist/domain/media-types.js";
import { copyContent } from "../../dist/images/copy-content.js";
import { createRegistryClient } from "../../dist/registry/client.js";
import { userCredentials } from "../../dist/registry/user-credentials.js";
import { openStore } from "../../dist/store/image-store.js";
import { sha256 } from "./run.mjs";
import { packTree } from "./tree.mjs";

/** The type of a bill of materials, as an artifact and as its one layer. */
const SPDX = "application/spdx+json";

/** The name of a bill of materials beside the layout's own files. */
export function bomFile(arch) {
  return `sbom-${arch}.spdx.json`;
}

/** Packs a tree. `compress` is that of {@link compressor}. */
export async function layerOf(title, tree, { time, compress }) {
  const archive = packTree(tree, time);
  const bytes = await compress(archive);
  return { title, bytes, diffId: `sha256:${sha256(archive)}`, descriptor: describe(MediaType.ociTarGzip, bytes) };
}

/** Packs by the Node that is given as bytes: one zlib for everybody who builds on this architecture. */
export async function compressor(program) {
  const base = await mkdtemp(join(tmpdir(), "wasme-image-gzip-"));
  const node = join(base, "node");
  await writeFile(node, program);
  await chmod(node, 0o755);
  const child = fileURLToPath(new URL("gzip-child.mjs", import.meta.url));
  const compress = async (bytes) => {
    const { stdin, stdout, exit } = start(node, child);
    stdin.on("error", () => undefined); // the exit says why
    stdin.end(bytes);
    const packed = await buffer(stdout);
    await exit;
    return packed;
  };
  return { compress, close: () => rm(base, { recursive: true, force: true }) };
}

function start(node, script) {
  const process = spawn(node, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const exit = new Promise((resolve, reject) => {
    process.on("error", reject);
    process.on("exit", (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`the locked Node ended with ${code ?? signal}`)),
    );
  });
  exit.catch(() => undefined); // awaited after the output
  return { stdin: process.stdin, stdout: process.stdout, exit };
}

/** Writes one architecture's image into a store; its descriptor in the index. */
export async function writeImage(store, { arch, layers, created, labels }) {
  const config = json({
    created,
    architecture: arch,
    os: "linux",
    config: {
      User: "65532:65532",
      Env: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/wasme"],
      Entrypoint: ["/usr/local/bin/wasme"],
      WorkingDir: "/home/wasme",
      Labels: labels,
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ title }) => ({ created, created_by: title })),
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: describe(MediaType.ociConfig, config),
    layers: layers.map(({ descriptor }) => descriptor),
    annotations: labels,
  });
  for (const { descriptor, bytes } of layers) await store.push(descriptor, bytesSource(bytes));
  await put(store, MediaType.ociConfig, config);
  return { ...(await put(store, MediaType.ociManifest, manifest)), platform: { architecture: arch, os: "linux" } };
}

/** Writes the index of all architectures and names it. */
export async function writeIndex(store, { reference, manifests, time, labels }) {
  const index = json({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests, annotations: labels });
  const descriptor = await put(store, MediaType.ociIndex, index);
  await store.tagAll([{ reference, descriptor, updated: time }]);
  return descriptor;
}

/** Pushes the index of a layout, everything in it, and the bills of materials as referrers of their images. */
export async function pushLayout({ folder, reference: text, plainHttp, userAgent }) {
  const reference = parseImageReference(text);
  const store = openStore(folder);
  const [name] = await store.names();
  if (name === undefined) throw new Error(`there is no image in ${folder}\nHint: leave --no-build out`);
  const { index, bytes } = await store.manifest(name.descriptor);
  const client = createRegistryClient({
    env: process.env,
    credentials: userCredentials({ env: process.env }),
    plainHttp,
    userAgent,
  });
  try {
    const repository = client.repository(reference, "push");
    for (const descriptor of index.manifests) {
      const { manifest, bytes: image } = await store.manifest(descriptor);
      await copyContent(store, repository, [manifest.config, ...manifest.layers]);
      await repository.pushManifest(descriptor.digest, image, descriptor.mediaType);
      await attach(repository, descriptor, await readFile(join(folder, bomFile(descriptor.platform.architecture))));
    }
    await repository.pushManifest(reference.tag ?? name.descriptor.digest, bytes, name.descriptor.mediaType);
  } finally {
    client.close();
  }
  return withDigest(reference, name.descriptor.digest);
}

/** True for a folder that is a layout, or not there, or empty: what may be replaced. */
export async function isReplaceable(folder) {
  const names = await readdir(folder).catch(() => []);
  return names.length === 0 || names.includes("oci-layout");
}

async function attach(repository, { mediaType, digest, size }, bom) {
  const empty = Buffer.from("{}");
  const [config, layer] = [describe(MediaType.ociEmpty, empty), describe(SPDX, bom)];
  await repository.push(config, bytesSource(empty));
  await repository.push(layer, bytesSource(bom));
  const manifest = json({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    artifactType: SPDX,
    config,
    layers: [layer],
    subject: { mediaType, digest, size },
  });
  await repository.pushManifest(describe(MediaType.ociManifest, manifest).digest, manifest, MediaType.ociManifest);
}

async function put(store, mediaType, bytes) {
  const descriptor = describe(mediaType, bytes);
  await store.push(descriptor, bytesSource(bytes));
  return descriptor;
}

function json(value) {
  return Buffer.from(JSON.stringify(value));
}
