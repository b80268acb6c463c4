import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { ImageStore } from "../store/image-store.ts";
import { isManifestType } from "../store/mark.ts";
import { type ManifestFacts, type ReadFacts, rememberFacts } from "./manifest-facts.ts";
import type { ServerNames } from "./server-names.ts";

/** A manifest of a repository: under a tag, or only under its digest. */
export interface RepositoryEntry {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly descriptor: Descriptor;
  /** Its name in the store. */
  readonly reference: string;
}

/**
 * What each repository of a registry has, as the names of a store tell it: other processes change them at any time, so
 * they are read for each request. A blob belongs to a repository when one of its manifests leads to it, or when it was
 * uploaded or mounted there since the server started and not deleted: only the latter is kept in memory.
 */
export class Repositories {
  readonly #store: ImageStore;
  readonly #names: ServerNames;
  readonly #facts: ReadFacts;
  readonly #blobs = new Map<string, Set<Digest>>();
  /** Manifests deleted though an index of the repository still lists them. */
  readonly #deleted = new Set<string>();

  constructor(store: ImageStore, names: ServerNames) {
    this.#store = store;
    this.#names = names;
    this.#facts = rememberFacts(store);
  }

  /** The store's name for a tag or digest of a repository. */
  reference(repository: string, target: string): string {
    return `${this.#names[0]}/${repository}${isDigest(target) ? "@" : ":"}${target}`;
  }

  /** The manifests of one repository, or of all: those under the canonical name first. */
  async entries(repository?: string): Promise<readonly RepositoryEntry[]> {
    const stored = await this.#store.names();
    const all = this.#names.flatMap((name) => stored.flatMap((entry) => entryOf(`${name}/`, entry)));
    return repository === undefined ? all : all.filter((entry) => entry.repository === repository);
  }

  /** True when it has, or had since the server started, a manifest or blob. */
  isKnown(repository: string, entries: readonly RepositoryEntry[]): boolean {
    return entries.length > 0 || this.#blobs.has(repository);
  }

  /** The manifest under a tag or digest; a child of an index of the repository counts. */
  async find(repository: string, target: string): Promise<Descriptor | undefined> {
    const entries = await this.entries(repository);
    if (!isDigest(target)) return entries.find(({ tag }) => tag === target)?.descriptor;
    const named = entries.find(({ descriptor }) => descriptor.digest === target);
    if (named !== undefined || this.#deleted.has(`${repository}@${target}`)) return named?.descriptor;
    for await (const { descriptor } of this.#reach(entries)) {
      if (descriptor.digest === target && isManifestType(descriptor.mediaType)) return descriptor;
    }
    return undefined;
  }

  /** Size of a blob the repository has; `undefined` when it has none. Bytes. */
  async sizeOf(repository: string, digest: Digest): Promise<number | undefined> {
    const linked = this.#blobs.get(repository)?.has(digest) === true;
    if (!linked && (await this.userOf(repository, digest)) === undefined) return undefined;
    return await this.#store.sizeOf(digest);
  }

  /** True when any repository has the blob. */
  async anywhere(digest: Digest): Promise<boolean> {
    if ((await this.#store.sizeOf(digest)) === undefined) return false;
    if (this.#isLinked(digest)) return true;
    return (await this.#userAmong(await this.entries(), digest)) !== undefined;
  }

  /** The manifest of the repository that leads to a blob; `undefined` when none does. */
  async userOf(repository: string, digest: Digest): Promise<Digest | undefined> {
    return await this.#userAmong(await this.entries(repository), digest);
  }

  /** What a manifest says; `undefined` when it is missing or damaged. */
  facts(descriptor: Descriptor): Promise<ManifestFacts | undefined> {
    return this.#facts(descriptor);
  }

  /** Remembers that a blob was uploaded to, or mounted in, a repository. */
  addBlob(repository: string, digest: Digest): void {
    const blobs = this.#blobs.get(repository) ?? new Set();
    this.#blobs.set(repository, blobs.add(digest));
  }

  /**
   * Takes a blob no manifest uses away from a repository, and from the disk when nobody else has it. The repository
   * stays known.
   */
  async removeBlob(repository: string, digest: Digest): Promise<void> {
    this.#blobs.get(repository)?.delete(digest);
    if (!this.#isLinked(digest)) await this.#store.removeBlob(digest);
  }

  /** Names a stored manifest. Throws `CONTENT_MISSING`. */
  async addManifest(repository: string, target: string, descriptor: Descriptor): Promise<void> {
    await this.#keepByDigest(repository, target, descriptor.digest);
    await this.#store.tag(this.reference(repository, target), descriptor);
    this.#deleted.delete(`${repository}@${descriptor.digest}`);
    this.#touch(repository);
  }

  /** Removes a tag alone, or by digest a manifest with all its tags; its blobs stay. False when there was nothing. */
  async removeManifest(repository: string, target: string): Promise<boolean> {
    const found = await this.find(repository, target);
    if (found === undefined) return false;
    this.#touch(repository);
    if (isDigest(target)) await this.#keepBlobs(repository, found);
    else await this.#keepByDigest(repository, target, undefined);
    for (const { reference, tag, descriptor } of await this.entries(repository)) {
      if (isDigest(target) ? descriptor.digest === target : tag === target) await this.#store.untag(reference);
    }
    return true;
  }

  /** A manifest whose last tag moves on or goes stays reachable by its digest, as others may have pinned it. */
  async #keepByDigest(repository: string, tag: string, next: Digest | undefined): Promise<void> {
    if (isDigest(tag)) return;
    const before = (await this.entries(repository)).find((entry) => entry.tag === tag)?.descriptor;
    if (before === undefined || before.digest === next) return;
    try {
      await this.#store.tag(this.reference(repository, before.digest), before);
    } catch (error) {
      // What is damaged cannot be kept, and must not hinder its replacement.
      if (!(error instanceof WasmeError) || !DAMAGED.has(error.code)) throw error;
    }
  }

  async #keepBlobs(repository: string, manifest: Descriptor): Promise<void> {
    this.#deleted.add(`${repository}@${manifest.digest}`);
    for (const { digest, mediaType } of (await this.#facts(manifest))?.references ?? []) {
      if (!isManifestType(mediaType)) this.addBlob(repository, digest);
    }
  }

  #touch(repository: string): void {
    if (!this.#blobs.has(repository)) this.#blobs.set(repository, new Set());
  }

  #isLinked(digest: Digest): boolean {
    return [...this.#blobs.values()].some((blobs) => blobs.has(digest));
  }

  async #userAmong(entries: readonly RepositoryEntry[], digest: Digest): Promise<Digest | undefined> {
    for await (const { descriptor, parent } of this.#reach(entries)) {
      if (descriptor.digest === digest) return parent;
    }
    return undefined;
  }

  /** Everything the entries lead to, each manifest opened once, and which manifest lists it. */
  async *#reach(entries: readonly RepositoryEntry[]): AsyncGenerator<{ descriptor: Descriptor; parent: Digest }> {
    const waiting = entries.map(({ descriptor }) => descriptor);
    const opened = new Set<Digest>();
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (opened.has(next.digest)) continue;
      opened.add(next.digest);
      for (const descriptor of (await this.#facts(next))?.references ?? []) {
        yield { descriptor, parent: next.digest };
        if (isManifestType(descriptor.mediaType)) waiting.push(descriptor);
      }
    }
  }
}

function entryOf(
  prefix: string,
  { reference, descriptor }: { readonly reference: string; readonly descriptor: Descriptor },
): readonly RepositoryEntry[] {
  if (!reference.startsWith(prefix)) return [];
  const rest = reference.slice(prefix.length);
  const at = rest.indexOf("@");
  const [, repository = rest, tag] = /^(.*?)(?::([^/:]+))?$/u.exec(at === -1 ? rest : rest.slice(0, at)) ?? [];
  return [{ repository, tag: at === -1 ? tag : undefined, descriptor, reference }];
}

const DAMAGED: ReadonlySet<string> = new Set(["CONTENT_MISSING", "BLOB_MISSING", "BLOB_DAMAGED", "MANIFEST_INVALID"]);
