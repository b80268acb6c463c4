import { bytesSource } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, digestOf, isDigest, startDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { MAX_MANIFEST, type ParsedManifest, parseManifest } from "../domain/manifest.ts";
import { bareMediaType, MANIFEST_ACCEPT } from "../domain/media-types.ts";
import type { HttpResponse } from "../platform/http-transport.ts";
import type { RepositoryContext } from "./repository-context.ts";
import type { ApiRequest } from "./session.ts";
import { sendAndRead } from "./whole-answer.ts";

/** A manifest as it was served, byte for byte. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** Its version, as the registry names it; not every one does. */
  readonly etag?: string;
}

/** A manifest to be stored under a tag or its digest. */
export interface ManifestToPush {
  readonly target: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/**
 * What a tag or digest points to, by HEAD; by GET where the registry's HEAD does not say. `undefined` when the registry
 * has no such manifest or repository.
 */
export async function resolveManifest(
  context: RepositoryContext,
  target: string,
  signal?: AbortSignal,
): Promise<Descriptor | undefined> {
  const request = manifestRequest(context, "HEAD", target, signal);
  const followed = await context.session.send(request);
  const { response } = followed;
  if (response.status === 404) {
    response.discard();
    return undefined;
  }
  if (response.status === 401 || response.status === 403) throw await context.session.refusal(followed, request);
  response.discard();
  const described = response.status === 200 ? describeHead(response, target) : undefined;
  return described ?? (await fetchManifest(context, target, signal))?.descriptor;
}

/**
 * Fetches a manifest or index, at most 4 MiB. Its digest is checked against the target when that is a digest, and
 * against what the registry says; its media type against the one inside. `undefined` when there is none.
 * Throws `MANIFEST_DAMAGED`, `MANIFEST_INVALID`, `BODY_TOO_LARGE` (failed), `MANIFEST_UNSUPPORTED` (incompatible).
 */
export async function fetchManifest(
  context: RepositoryContext,
  target: string,
  signal?: AbortSignal,
): Promise<FetchedManifest | undefined> {
  const request = manifestRequest(context, "GET", target, signal);
  const followed = await sendAndRead(context.session, request, MAX_MANIFEST);
  const { response, body: bytes } = followed;
  if (response.status === 404) {
    response.discard();
    return undefined;
  }
  if (bytes === undefined) throw await context.session.refusal(followed, request);
  const claimed = isDigest(target) ? target : digestHeader(response);
  checkDigest(context, target, bytes, claimed);
  checkDigest(context, target, bytes, digestHeader(response));
  const { mediaType } = parseServed(context, target, { bytes, type: servedType(response) });
  const descriptor = { mediaType, digest: claimed ?? digestOf(bytes), size: bytes.byteLength };
  const { etag } = response.headers;
  return { descriptor, bytes, ...(etag === undefined ? {} : { etag }) };
}

/**
 * Stores a manifest under a tag or its digest; replayed after failures, since it says the same each time. One with a
 * `subject` is listed as its referrer, too, where the registry does not do so itself.
 * Throws `MANIFEST_REFUSED`, `MANIFEST_DAMAGED` (failed) when the registry claims another digest.
 */
export async function pushManifest(
  context: RepositoryContext,
  manifest: ManifestToPush,
  signal?: AbortSignal,
): Promise<Descriptor> {
  const { target, bytes, mediaType } = manifest;
  const request = putRequest(context, manifest, signal);
  const followed = await context.session.send(request);
  const { response } = followed;
  if (response.status !== 201) throw await context.session.refusal(followed, request);
  response.discard();
  checkDigest(context, target, bytes, digestHeader(response));
  const descriptor = { mediaType, digest: isDigest(target) ? target : digestOf(bytes), size: bytes.byteLength };
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"subject"')) {
    const { listAsReferrer } = await import("./referrers-tag.ts");
    await listAsReferrer(context, { descriptor, bytes, told: response.headers["oci-subject"] }, signal);
  }
  return descriptor;
}

/** The request that stores a manifest. */
export function putRequest(context: RepositoryContext, manifest: ManifestToPush, signal?: AbortSignal): ApiRequest {
  context.willWrite();
  return {
    ...manifestRequest(context, "PUT", manifest.target, signal),
    headers: { "content-type": manifest.mediaType },
    body: bytesSource(manifest.bytes),
    action: `write ${context.name}`,
  };
}

function manifestRequest(
  context: RepositoryContext,
  method: string,
  target: string,
  signal: AbortSignal | undefined,
): ApiRequest {
  return {
    method,
    target: `${context.repository}/manifests/${target}`,
    headers: { accept: MANIFEST_ACCEPT.join(", ") },
    repository: context.repository,
    scopes: context.scopes(),
    action: `read ${context.name}`,
    signal,
  };
}

/** The descriptor a HEAD gives, unless something is missing in it. */
function describeHead(response: HttpResponse, target: string): Descriptor | undefined {
  const mediaType = servedType(response);
  const digest = isDigest(target) ? target : digestHeader(response);
  const size = Number(response.headers["content-length"] ?? Number.NaN);
  if (mediaType === undefined || !MANIFEST_ACCEPT.includes(mediaType)) return undefined;
  return digest === undefined || !Number.isSafeInteger(size) ? undefined : { mediaType, digest, size };
}

/** The served media type; a generic one says nothing. */
function servedType(response: HttpResponse): string | undefined {
  const type = bareMediaType(response.headers["content-type"]);
  return type === undefined || GENERIC.has(type) ? undefined : type;
}

const GENERIC: ReadonlySet<string> = new Set(["", "application/json", "application/octet-stream", "text/plain"]);

function digestHeader(response: HttpResponse): Digest | undefined {
  const header = response.headers["docker-content-digest"];
  return typeof header === "string" && isDigest(header) ? header : undefined;
}

/** The parser does not know where the bytes are from: an answer that is no manifest is said with its place. */
function parseServed(
  context: RepositoryContext,
  target: string,
  { bytes, type }: { readonly bytes: Uint8Array; readonly type: string | undefined },
): ParsedManifest {
  try {
    return parseManifest(bytes, type);
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "MANIFEST_INVALID") throw error;
    const message = `${context.session.host} answered for ${context.repository} ${target} with what is ${error.message}`;
    throw new WasmeError(error.kind, error.code, message, {
      hint: "check that the host is a registry, not a web page or a proxy in front of it",
    });
  }
}

function checkDigest(context: RepositoryContext, target: string, bytes: Uint8Array, claimed: Digest | undefined): void {
  if (claimed === undefined) return;
  const hash = startDigest(claimed);
  hash.update(bytes);
  const actual = hash.digest();
  if (actual === claimed) return;
  const message = `the manifest ${target} of ${context.session.host}/${context.repository} has digest ${actual}, not ${claimed}`;
  throw new WasmeError("failed", "MANIFEST_DAMAGED", message, {
    hint: "the registry, or something between, altered it: push the image again",
    details: { expected: claimed, actual },
  });
}
