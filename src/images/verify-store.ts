import type { Digest } from "../domain/digest.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import type { AuditedEntry, FileCount, MendableFault } from "../store/audit.ts";
import type { ImageStore } from "../store/image-store.ts";
import { namedEntries } from "./named-entries.ts";
import { progressTask } from "./progress-task.ts";

/** What to verify. */
export interface VerifyRequest {
  /** Names as the user typed them; none: the whole store. */
  readonly references: readonly string[];
}

/** An image of the store, read whole. */
export interface VerifiedImage {
  readonly reference: string;
  readonly state: "ok" | "damaged";
  readonly manifestDigest?: Digest;
  /** Empty for an intact image. */
  readonly problems: readonly MendableFault[];
}

/** What verifying found. */
export interface VerifyStoreResult {
  readonly directory: string;
  /** False when an image, an unnamed blob or the layout is damaged. */
  readonly ok: boolean;
  readonly images: readonly VerifiedImage[];
  /** Blobs read and hashed. */
  readonly read: FileCount;
  /** Intact or not, no image needs them; absent when only some images were verified or when it cannot be told. */
  readonly unnamed?: FileCount;
  /** Left behind by interrupted commands. */
  readonly unfinished: FileCount;
  /** Paths of files that do not belong in the store. */
  readonly strays: readonly string[];
  /** What is wrong with the layout, and with unnamed blobs. */
  readonly problems: readonly MendableFault[];
}

/**
 * Reads and hashes all that is stored, or what some images need. Damage is a result, not an error. Throws
 * `IMAGE_NOT_FOUND` for an unknown name, `STORE_UNSUPPORTED`.
 */
export async function verifyStore(
  deps: { readonly store: Pick<ImageStore, "dir" | "entries" | "audit">; readonly signal?: AbortSignal },
  request: VerifyRequest,
  events: EventSink = ignoreEvents,
): Promise<VerifyStoreResult> {
  const { store, signal } = deps;
  const all = request.references.length === 0;
  const references = all
    ? undefined
    : namedEntries(await store.entries(), request.references).map((entry) => entry.reference);
  const task = progressTask(events, "verify", all ? `Verifying ${store.dir}` : "Verifying");
  try {
    const { entries, unnamed, faults, ...audit } = await store.audit({ references, tell: task.tell, signal });
    const images = entries.map(describe);
    const ok = faults.length === 0 && images.every((image) => image.state === "ok");
    task.end(ok, `Verified ${audit.read.files} blob${audit.read.files === 1 ? "" : "s"}`);
    return {
      directory: store.dir,
      ok,
      images,
      ...audit,
      ...(unnamed === undefined ? {} : { unnamed }),
      problems: faults,
    };
  } catch (error) {
    task.end(false);
    throw error;
  }
}

function describe({ reference, descriptor, faults }: AuditedEntry): VerifiedImage {
  return {
    reference,
    state: faults.length === 0 ? "ok" : "damaged",
    ...(descriptor === undefined ? {} : { manifestDigest: descriptor.digest }),
    problems: faults.map((fault) => ({ ...fault, mend: mendImage(reference) })),
  };
}

function mendImage(reference: string): string {
  if (reference === "") return "it has no name: remove it from index.json";
  return `pull or build it again, or drop it with: wasme rm ${reference}`;
}
