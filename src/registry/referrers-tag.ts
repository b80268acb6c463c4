import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { MAX_MANIFEST } from "../domain/manifest.ts";
import { MediaType } from "../domain/media-types.ts";
import { putRequest } from "./manifests.ts";
import { readReferrersApi, readReferrersIndex, type ReferrersIndex, referrersTag } from "./referrers.ts";
import type { RepositoryContext } from "./repository-context.ts";

/** A manifest that was just stored. */
export interface StoredReferrer {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** The `oci-subject` of the registry's answer. */
  readonly told: string | string[] | undefined;
}

/**
 * Lists a manifest with a subject in the index under the subject's tag, unless the registry lists it itself, which it
 * says by `OCI-Subject` (distribution spec 1.1, "Pushing Manifests with Subject"). Does nothing for one without.
 */
export async function listAsReferrer(
  context: RepositoryContext,
  stored: StoredReferrer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { session, repository } = context;
  const { descriptor } = stored;
  const subject = subjectOf(stored.bytes);
  if (subject === undefined) return;
  const { referrers } = await session.quirks();
  if (referrers === "api") return;
  if (referrers === "probe" && stored.told === subject) {
    (session.learned.referrersApi ??= new Map()).set(repository, true);
    return;
  }
  // Older ones list it without saying so.
  const listed = await readReferrersApi(context, subject, signal === undefined ? {} : { signal });
  if (listed?.all.some(({ digest }) => digest === descriptor.digest) === true) return;
  const entry = { ...descriptor, ...describedBy(stored.bytes) };
  const change = (entries: readonly unknown[]): readonly unknown[] | undefined =>
    entries.some((each) => digestOf(each) === descriptor.digest) ? undefined : [...entries, entry];
  await changeIndex(context, { subject, change }, signal);
}

/** Takes a manifest that is gone out of the index of its subject's referrers, if it is in there. */
export async function unlistReferrer(
  context: RepositoryContext,
  { subject, digest }: { readonly subject: Digest; readonly digest: Digest },
  signal: AbortSignal | undefined,
): Promise<void> {
  const change = (entries: readonly unknown[]): readonly unknown[] | undefined => {
    const others = entries.filter((each) => digestOf(each) !== digest);
    return others.length === entries.length ? undefined : others;
  };
  await changeIndex(context, { subject, change }, signal);
}

/** The digest of what a manifest refers to, whatever kind of manifest it is. */
export function subjectOf(bytes: Uint8Array): Digest | undefined {
  const { subject } = fieldsOf(bytes);
  const digest = isObject(subject) ? subject["digest"] : undefined;
  return typeof digest === "string" && isDigest(digest) ? digest : undefined;
}

interface Change {
  readonly subject: Digest;
  /** New entries; `undefined` when they are as they should be. */
  readonly change: (entries: readonly unknown[]) => readonly unknown[] | undefined;
}

const TRIES = 8;
/** After so many refused conditions we write without: some registries refuse every one. */
const CONDITIONAL_TRIES = 4;
const SETTLE_MS = 100;

/**
 * Reads, changes and writes the index until a later reading shows the change: other writers may do the same at the same
 * time. Those that saw what we saw write within about the time we took; we look again after three times that.
 */
async function changeIndex(
  context: RepositoryContext,
  { subject, change }: Change,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { clock } = context.session.deps;
  for (let tries = 0; tries < TRIES; tries++) {
    const started = clock.now();
    const current = await readReferrersIndex(context, subject, signal);
    const raw = rawIndex(current);
    const entries = change(raw.manifests);
    if (entries === undefined) return;
    const bytes = Buffer.from(JSON.stringify({ ...raw, manifests: entries }));
    if (bytes.byteLength > MAX_MANIFEST || entries.length > MAX_ENTRIES) throw tooMany(context, subject);
    const etag = tries < CONDITIONAL_TRIES ? current?.served.etag : undefined;
    await write(context, { subject, bytes, etag }, signal);
    await clock.sleep(Math.max(SETTLE_MS, 3 * (clock.now() - started)) * (1 + Math.random()), signal);
  }
  throw new WasmeError(
    "failed",
    "REFERRERS_BUSY",
    `others keep changing the referrers of ${subject} at ${context.session.host}`,
    {
      hint: "push it again",
    },
  );
}

/** As many as a reader takes. */
const MAX_ENTRIES = 4096;

interface RawIndex {
  readonly manifests: readonly unknown[];
}

/** Entries of others are kept with everything in them. */
function rawIndex(current: ReferrersIndex | undefined): RawIndex {
  if (current === undefined) return EMPTY;
  const value: unknown = JSON.parse(new TextDecoder().decode(current.served.bytes));
  return isObject(value) && Array.isArray(value["manifests"]) ? { ...value, manifests: value["manifests"] } : EMPTY;
}

const EMPTY: RawIndex & { readonly schemaVersion: 2; readonly mediaType: string } = {
  schemaVersion: 2,
  mediaType: MediaType.ociIndex,
  manifests: [],
};

/** A refused condition, or a conflict, is no error: another writer was faster. */
async function write(
  context: RepositoryContext,
  { subject, bytes, etag }: { readonly subject: Digest; readonly bytes: Uint8Array; readonly etag: string | undefined },
  signal: AbortSignal | undefined,
): Promise<void> {
  const { session } = context;
  const put = putRequest(context, { target: referrersTag(subject), bytes, mediaType: MediaType.ociIndex }, signal);
  const condition = etag?.startsWith('"') === true ? { "if-match": etag } : {};
  const request = { ...put, headers: { ...put.headers, ...condition }, action: `list what refers to ${subject}` };
  const followed = await session.send(request);
  const { response } = followed;
  if (!ACCEPTED.has(response.status)) throw await session.refusal(followed, request);
  response.discard();
}

const ACCEPTED: ReadonlySet<number> = new Set([201, 409, 412]);

/** What an entry tells of its manifest: type, and annotations. */
function describedBy(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const { artifactType, annotations, config } = fieldsOf(bytes);
  const implied = isObject(config) ? config["mediaType"] : undefined;
  const type = artifactType === undefined || artifactType === "" ? implied : artifactType;
  return {
    ...(isObject(annotations) ? { annotations } : {}),
    ...(typeof type === "string" ? { artifactType: type } : {}),
  };
}

function fieldsOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const value = tryParseJson(new TextDecoder().decode(bytes));
  return isObject(value) ? value : {};
}

function digestOf(entry: unknown): unknown {
  return isObject(entry) ? entry["digest"] : undefined;
}

function tooMany({ session }: RepositoryContext, subject: Digest): Error {
  const message = `${session.host} has too many referrers of ${subject} for one index`;
  return new WasmeError("failed", "REFERRERS_INVALID", message, {
    hint: "delete some, or use a registry that lists them itself",
  });
}
