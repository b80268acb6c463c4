import type { IncomingMessage, ServerResponse } from "node:http";
import { type Digest, isDigest } from "../domain/digest.ts";
import type { CachedBlob } from "./cached-image.ts";
import type { ContentFolder } from "./content-folder.ts";
import { findInMirror, imagesInMirror } from "./listed-images.ts";
import type { ReportBook } from "./report-book.ts";
import { serveContent } from "./serve-content.ts";
import type { SharedBodies } from "./shared-bodies.ts";

/** What the read-only registry answers from. */
export interface MirrorDeps {
  readonly book: ReportBook;
  readonly modules: ContentFolder;
  readonly blobs: ContentFolder;
  readonly bodies: SharedBodies;
  /** False as long as the list is not known: then nobody can say that something is not listed. */
  readonly listKnown: () => boolean;
}

/** A request below `/v2`. */
export interface MirrorRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What follows `/v2`. */
  readonly path: string;
}

/**
 * A read-only registry (distribution spec 1.1, pull) of what is listed and on the node; nothing is fetched since
 * somebody asked. Repositories are found with and without their host in front, and by containerd's `?ns=HOST`.
 */
export async function serveMirror(deps: MirrorDeps, asked: MirrorRequest): Promise<void> {
  const { request, response, path } = asked;
  response.setHeader("docker-distribution-api-version", "registry/2.0");
  if (path === "" || path === "/") {
    response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
    return;
  }
  const { name = "", kind, target = "" } = PATH.exec(path)?.groups ?? {};
  const host = new URLSearchParams((request.url ?? "").split("?", 2)[1]).get("ns") ?? undefined;
  const place = { name, host };
  if (kind === "manifests") await serveManifest(deps, asked, { place, target });
  else if (kind === "blobs") await serveBlob(deps, asked, { place, target });
  else refuse(response, { status: 404, code: "NAME_UNKNOWN", message: "only manifests and blobs are served here" });
}

const PATH = /^\/(?<name>.+)\/(?<kind>manifests|blobs)\/(?<target>[^/]+)$/u;

interface MirrorTarget {
  readonly place: { readonly name: string; readonly host: string | undefined };
  readonly target: string;
}

async function serveManifest(deps: MirrorDeps, asked: MirrorRequest, { place, target }: MirrorTarget): Promise<void> {
  const found = findInMirror(deps.book, place, isDigest(target) ? { digest: target } : { tag: target });
  const unknown = { status: 404, code: "MANIFEST_UNKNOWN", message: `the cache lists no ${place.name} ${target}` };
  if (found === undefined) return refuseUnlisted(deps, asked.response, unknown);
  const { image } = found.state;
  if (image === undefined) return notYet(asked.response);
  // Of an index only the image in it is here: bytes of another digest would be refused.
  if (isDigest(target) && target !== image.manifest.digest) return refuse(asked.response, unknown);
  const manifest = { ...image.manifest, folder: deps.blobs, isFixed: isDigest(target) };
  if (!(await send(deps, asked, manifest))) notYet(asked.response);
}

async function serveBlob(deps: MirrorDeps, asked: MirrorRequest, { place, target }: MirrorTarget): Promise<void> {
  const images = imagesInMirror(deps.book, place).map(({ state }) => state.image);
  const own = images.find((image) =>
    [image?.layer, ...(image?.blobs ?? []).map(({ digest }) => digest)].includes(target as Digest),
  );
  const unknown = { status: 404, code: "BLOB_UNKNOWN", message: `no image listed here has the blob ${target}` };
  if (own === undefined || !isDigest(target)) return refuseUnlisted(deps, asked.response, unknown);
  const folder = target === own.module ? deps.modules : deps.blobs;
  const blob = { digest: target, mediaType: "application/octet-stream", size: 0, folder, isFixed: true };
  if (!(await send(deps, asked, blob))) notYet(asked.response);
}

function send(
  deps: MirrorDeps,
  { request, response }: MirrorRequest,
  blob: CachedBlob & { readonly folder: ContentFolder; readonly isFixed: boolean },
): Promise<boolean> {
  return serveContent(request, response, {
    etag: blob.digest,
    isFixed: blob.isFixed,
    contentType: blob.mediaType,
    headers: { "docker-content-digest": blob.digest },
    open: () => blob.folder.openContent(blob.digest),
    bodies: deps.bodies,
  });
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

function refuseUnlisted({ listKnown }: MirrorDeps, response: ServerResponse, refusal: Refusal): void {
  if (listKnown()) refuse(response, refusal);
  else notYet(response);
}

function notYet(response: ServerResponse): void {
  response.setHeader("retry-after", "1");
  refuse(response, { status: 503, code: "UNAVAILABLE", message: "it is not on this node yet" });
}

function refuse(response: ServerResponse, { status, code, message }: Refusal): void {
  const body = JSON.stringify({ errors: [{ code, message, detail: null }] });
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}
