import { bytesSource, collect } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, digestOf, isDigest, startDigest } from "../domain/digest.ts";
import { MAX_MANIFEST, type ParsedManifest, parseManifest } from "../domain/manifest.ts";
import { type Exchange, storeReference } from "./registry-exchange.ts";
import { RegistryRefusal, replyEmpty } from "./registry-reply.ts";

/** GET and HEAD of a manifest by tag or digest, byte for byte as it was pushed. */
export async function serveManifest(exchange: Exchange, repository: string, target: string): Promise<void> {
  const { store, request, response } = exchange;
  const descriptor = await findManifest(exchange, repository, target);
  if (descriptor === undefined) throw unknownManifest(repository, target);
  const headers = {
    "content-type": descriptor.mediaType,
    "docker-content-digest": descriptor.digest,
    etag: `"${descriptor.digest}"`,
  };
  if (request.headers["if-none-match"] === headers.etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const { bytes } = await store.manifest(descriptor);
  response.writeHead(200, { ...headers, "content-length": bytes.byteLength });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** PUT: stores a manifest under a tag or its digest; what it points to must be there. */
export async function putManifest(exchange: Exchange, repository: string, target: string): Promise<void> {
  const { request, response, store } = exchange;
  const bytes = await collect(request, MAX_MANIFEST, (limit) => {
    return new RegistryRefusal(413, "MANIFEST_INVALID", `a manifest of more than ${limit} bytes`);
  });
  const digest = digestFor(target, bytes);
  const parsed = parseManifest(bytes, request.headers["content-type"]);
  const descriptor: Descriptor = { mediaType: parsed.mediaType, digest, size: bytes.byteLength };
  await store.push(descriptor, bytesSource(bytes));
  await keepReachable(exchange, repository, target, digest);
  await store.tag(storeReference(exchange, repository, target), descriptor);
  const subject = subjectOf(parsed);
  replyEmpty(response, 201, {
    location: `/v2/${repository}/manifests/${digest}`,
    "docker-content-digest": digest,
    ...(subject === undefined ? {} : { "oci-subject": subject }),
  });
}

/** DELETE: a tag alone, or by digest the manifest with all its tags in this repository. */
export async function deleteManifest(exchange: Exchange, repository: string, target: string): Promise<void> {
  const { store, response } = exchange;
  const names = isDigest(target)
    ? await namesOf(exchange, repository, target)
    : [storeReference(exchange, repository, target)];
  let removed = false;
  for (const name of names) removed = (await store.untag(name)) || removed;
  if (!removed) throw unknownManifest(repository, target);
  replyEmpty(response, 202, {});
}

/** The digest of a manifest's subject, if it has one. */
export function subjectOf(parsed: ParsedManifest): Digest | undefined {
  return (parsed.kind === "index" ? parsed.index : parsed.manifest).subject?.digest;
}

async function findManifest(exchange: Exchange, repository: string, target: string): Promise<Descriptor | undefined> {
  const { store, name } = exchange;
  const named = await store.resolve(storeReference(exchange, repository, target));
  if (named !== undefined || !isDigest(target)) return named;
  const prefix = `${name}/${repository}:`;
  const entries = await store.entries();
  return entries.find(({ reference, descriptor }) => reference.startsWith(prefix) && descriptor?.digest === target)
    ?.descriptor;
}

/** A manifest whose last tag moves on stays reachable by its digest, as others may have pinned it. */
async function keepReachable(exchange: Exchange, repository: string, target: string, next: Digest): Promise<void> {
  const { store } = exchange;
  if (isDigest(target)) return;
  const before = await store.resolve(storeReference(exchange, repository, target));
  if (before === undefined || before.digest === next) return;
  await store.tag(storeReference(exchange, repository, before.digest), before);
}

async function namesOf(exchange: Exchange, repository: string, digest: Digest): Promise<readonly string[]> {
  const prefix = `${exchange.name}/${repository}`;
  const entries = await exchange.store.entries();
  return entries
    .filter(({ reference, descriptor }) => {
      const own = reference.startsWith(`${prefix}:`) || reference.startsWith(`${prefix}@`);
      return own && descriptor?.digest === digest;
    })
    .map(({ reference }) => reference);
}

function digestFor(target: string, bytes: Uint8Array): Digest {
  if (!isDigest(target)) return digestOf(bytes);
  const hash = startDigest(target);
  hash.update(bytes);
  const actual = hash.digest();
  if (actual === target) return target;
  throw new RegistryRefusal(400, "DIGEST_INVALID", `the manifest has digest ${actual}`);
}

function unknownManifest(repository: string, target: string): RegistryRefusal {
  return new RegistryRefusal(404, "MANIFEST_UNKNOWN", `there is no manifest ${target} in ${repository}`);
}
