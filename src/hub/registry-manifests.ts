import { bytesSource, collect } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, digestOf, isDigest, startDigest } from "../domain/digest.ts";
import { MAX_MANIFEST, type ParsedManifest, parseManifest } from "../domain/manifest.ts";
import { bareMediaType, isNonDistributable } from "../domain/media-types.ts";
import type { ImageStore } from "../store/image-store.ts";
import { factsOf } from "./manifest-facts.ts";
import { type Exchange, isUnchanged, requireDigest } from "./registry-exchange.ts";
import { RegistryRefusal, replyEmpty } from "./registry-reply.ts";

/** GET and HEAD of a manifest by tag or digest, byte for byte as it was pushed. */
export async function serveManifest(exchange: Exchange, repository: string, target: string): Promise<void> {
  const { repositories, store, request, response } = exchange;
  const descriptor = await repositories.find(repository, known(target));
  if (descriptor === undefined) throw unknownManifest(repository, target);
  const headers = {
    "content-type": descriptor.mediaType,
    "docker-content-digest": descriptor.digest,
    etag: `"${descriptor.digest}"`,
  };
  if (isUnchanged(request, descriptor.digest)) {
    response.writeHead(304, headers).end();
    return;
  }
  const { bytes } = await store.manifest(descriptor);
  response.writeHead(200, { ...headers, "content-length": bytes.byteLength });
  response.end(bytes);
}

/**
 * PUT: stores a manifest under a tag or its digest, and under the tags `?tag=` names beside a digest; what it points to
 * must be there, but for its subject and the children of an index.
 */
export async function putManifest(exchange: Exchange, repository: string, target: string): Promise<void> {
  const { request, response, store, repositories } = exchange;
  const targets = [target, ...(isDigest(target) ? exchange.query.getAll("tag") : [])];
  for (const each of targets) requireTarget(each);
  // Leaving a long body early must not cut the connection: the answer still has to arrive.
  const bytes = await collect(request.iterator({ destroyOnReturn: false }), MAX_MANIFEST, tooLarge);
  const digest = digestFor(target, bytes);
  const type = request.headers["content-type"];
  const parsed = parseManifest(bytes, type);
  if (type !== undefined && bareMediaType(type) !== parsed.mediaType) {
    throw new RegistryRefusal(400, "MANIFEST_INVALID", `it is ${parsed.mediaType} but came as ${type}`);
  }
  await requireContent(store, parsed);
  const descriptor: Descriptor = { mediaType: parsed.mediaType, digest, size: bytes.byteLength };
  await store.push(descriptor, bytesSource(bytes));
  for (const each of targets) await repositories.addManifest(repository, each, descriptor);
  const { subject } = factsOf(parsed);
  replyEmpty(response, 201, {
    location: `/v2/${repository}/manifests/${digest}`,
    "docker-content-digest": digest,
    ...(subject === undefined ? {} : { "oci-subject": subject }),
    ...(targets.length === 1 ? {} : { "oci-tag": targets.slice(1) }),
  });
}

/** DELETE: a tag alone, or by digest the manifest with all its tags in this repository. */
export async function deleteManifest(exchange: Exchange, repository: string, target: string): Promise<void> {
  const removed = await exchange.repositories.removeManifest(repository, known(target));
  if (!removed) throw unknownManifest(repository, target);
  replyEmpty(exchange.response, 202, {});
}

/** What has a colon can only be meant as a digest. Throws `DIGEST_INVALID`. */
function known(target: string): string {
  return target.includes(":") ? requireDigest(target) : target;
}

function requireTarget(target: string): void {
  if (TAG.test(known(target)) || isDigest(target)) return;
  throw new RegistryRefusal(400, "MANIFEST_INVALID", `${JSON.stringify(target.slice(0, 200))} is not a tag`);
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/u;

/** Throws `MANIFEST_BLOB_UNKNOWN`, with all that is missing. */
async function requireContent(store: ImageStore, parsed: ParsedManifest): Promise<void> {
  if (parsed.kind === "index") return;
  const missing = new Set<Digest>();
  for (const child of factsOf(parsed).references) {
    if (!isNonDistributable(child.mediaType) && !(await store.exists(child))) missing.add(child.digest);
  }
  if (missing.size === 0) return;
  const message = "the manifest points to a blob that is not here, or has another size";
  throw new RegistryRefusal(400, "MANIFEST_BLOB_UNKNOWN", message, {
    details: [...missing].map((digest) => ({ digest })),
  });
}

function digestFor(target: string, bytes: Uint8Array): Digest {
  if (!isDigest(target)) return digestOf(bytes);
  const hash = startDigest(target);
  hash.update(bytes);
  const actual = hash.digest();
  if (actual === target) return target;
  throw new RegistryRefusal(400, "DIGEST_INVALID", `the manifest has digest ${actual}`);
}

function tooLarge(limit: number): RegistryRefusal {
  return new RegistryRefusal(413, "MANIFEST_INVALID", `a manifest of more than ${limit} bytes`);
}

function unknownManifest(repository: string, target: string): RegistryRefusal {
  const tag = isDigest(target) ? { digest: target } : { tag: target };
  return new RegistryRefusal(404, "MANIFEST_UNKNOWN", `there is no manifest ${target} in ${repository}`, {
    details: [{ name: repository, ...tag }],
  });
}
