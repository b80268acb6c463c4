import type { Placement, Pusher } from "../domain/content.ts";
import type { Digest } from "../domain/digest.ts";
import type { EventSink } from "../domain/events.ts";
import type { CopiedBlob } from "./copy-content.ts";
import type { Remote } from "./remote.ts";

/** What became of one blob of an image; JSON-safe. */
export interface TransferredBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** `written`: its bytes were sent; `mounted`: taken over from another repository; `present`: it was there already. */
  readonly placement: Placement;
}

/** A copy as results list it. */
export function transferredBlobs(copied: readonly CopiedBlob[]): readonly TransferredBlob[] {
  return copied.map(({ descriptor: { digest, size, mediaType }, placement }) => ({
    digest,
    size,
    mediaType,
    placement,
  }));
}

/** Tells of each blob pushed that it arrived, as soon as it did. */
export function telling(to: Pusher, direction: "upload" | "download", events: EventSink): Pusher {
  return {
    push: async (descriptor, body, signal) => {
      const placement = await to.push(descriptor, body, signal);
      const { digest, size } = descriptor;
      if (placement === "written") events({ type: "blob.done", digest, direction, size });
      return placement;
    },
  };
}

/** Bytes of the blobs that were placed in this way. */
export function bytesPlaced(blobs: readonly TransferredBlob[], placement: Placement): number {
  return blobs.reduce((sum, blob) => sum + (blob.placement === placement ? blob.size : 0), 0);
}

/** Starts counting round trips; the function tells how many there were since, or nothing where nobody counts. */
export function countRequests(registry: Pick<Remote, "traffic">): () => { readonly requests?: number } {
  const before = registry.traffic?.().requests ?? 0;
  return () => {
    const now = registry.traffic?.().requests;
    return now === undefined ? {} : { requests: now - before };
  };
}
