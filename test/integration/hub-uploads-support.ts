import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { RawResponse } from "../components/raw-http.ts";
import { type SpecClient, withQuery } from "./hub-support.ts";

/** The hash of a digest. */
export type Algorithm = "sha256" | "sha512";

/** The digest of some bytes. */
export function digestWith(algorithm: Algorithm, bytes: Uint8Array | string): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** Bytes to be uploaded under a digest, which may not be theirs. */
export interface Upload {
  readonly repository: string;
  readonly bytes: Uint8Array;
  readonly digest: string;
}

const OCTETS = { "content-type": "application/octet-stream" };

/** Every way the spec has for a blob to be uploaded; the answer is the last one. */
export const UPLOADS: Readonly<Record<string, (client: SpecClient, upload: Upload) => Promise<RawResponse>>> = {
  "a single POST": async (client, { repository, bytes, digest }) => {
    return await client.ask("POST", `${uploads(repository)}?digest=${digest}`, { body: bytes, headers: OCTETS });
  },
  "POST and PUT": async (client, { repository, bytes, digest }) => {
    const location = await startUpload(client, repository);
    return await client.ask("PUT", withQuery(location, { digest }), { body: bytes, headers: OCTETS });
  },
  "a stream": async (client, { repository, bytes, digest }) => {
    const sent = await client.ask("PATCH", await startUpload(client, repository), { body: bytes, headers: OCTETS });
    expect(sent.status).toBe(202);
    return await client.ask("PUT", withQuery(locationOf(sent), { digest }));
  },
  "one chunk": async (client, upload) => await chunks(client, upload, { size: upload.bytes.byteLength }),
  chunks: async (client, upload) => await chunks(client, upload, {}),
  "chunks, the last one with the PUT": async (client, upload) => await chunks(client, upload, { putLast: true }),
  "chunks, each at the wrong place first": async (client, upload) => await chunks(client, upload, { wrong: true }),
  "chunks, each at the wrong place first, the last one with the PUT": async (client, upload) =>
    await chunks(client, upload, { wrong: true, putLast: true }),
};

/** Uploads by one of {@link UPLOADS}. */
export async function uploadBy(way: string, client: SpecClient, upload: Upload): Promise<RawResponse> {
  const send = UPLOADS[way];
  if (send === undefined) throw new Error(`no such way to upload: ${way}`);
  return await send(client, upload);
}

/** Starts an upload; where it goes on. */
export async function startUpload(client: SpecClient, repository: string): Promise<string> {
  const started = await client.ask("POST", uploads(repository), { headers: { "content-length": "0" } });
  expect(started.status, started.text).toBe(202);
  return locationOf(started);
}

/** The path uploads start at. */
export function uploads(repository: string): string {
  return `/v2/${repository}/blobs/uploads/`;
}

/** Where an answer says the client should go on. */
export function locationOf(answer: RawResponse): string {
  expect(answer.headers.location).toBeTypeOf("string");
  return answer.headers.location ?? "";
}

interface ChunkOptions {
  readonly size?: number;
  /** The last chunk comes with the PUT. */
  readonly putLast?: boolean;
  /** Each chunk is tried at another offset first, which must be refused and lose nothing. */
  readonly wrong?: boolean;
}

async function chunks(client: SpecClient, upload: Upload, options: ChunkOptions): Promise<RawResponse> {
  const { bytes, digest } = upload;
  const { size = Math.ceil(bytes.byteLength / 3), putLast = false, wrong = false } = options;
  let location = await startUpload(client, upload.repository);
  for (let at = 0; at < bytes.byteLength; at += size) {
    const end = Math.min(at + size, bytes.byteLength);
    const isLast = end === bytes.byteLength;
    if (wrong) location = await tryElsewhere(client, location, { bytes, at, size });
    const headers = { ...OCTETS, "content-range": `${at}-${end - 1}` };
    const body = bytes.subarray(at, end);
    if (isLast && putLast) return await client.ask("PUT", withQuery(location, { digest }), { body, headers });
    const sent = await client.ask("PATCH", location, { body, headers });
    expect(sent).toMatchObject({ status: 202, headers: { range: `0-${end - 1}` } });
    location = locationOf(sent);
  }
  return await client.ask("PUT", withQuery(location, { digest }));
}

async function tryElsewhere(
  client: SpecClient,
  location: string,
  { bytes, at, size }: { readonly bytes: Uint8Array; readonly at: number; readonly size: number },
): Promise<string> {
  const start = at + size < bytes.byteLength ? at + size : 0;
  const body = bytes.subarray(start, Math.min(start + size, bytes.byteLength));
  const headers = { ...OCTETS, "content-range": `${start}-${start + body.byteLength - 1}` };
  const refused = await client.ask("PATCH", location, { body, headers });
  expect(refused.status).toBe(416);
  const shown = await client.ask("GET", location);
  expect(shown).toMatchObject({ status: 204, headers: { range: `0-${Math.max(0, at - 1)}` } });
  return locationOf(shown);
}
