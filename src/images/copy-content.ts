import { type BodySource, type Fetcher, type Placement, type Pusher, skipBytes } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";

/** What became of one blob. */
export interface CopiedBlob {
  readonly descriptor: Descriptor;
  readonly placement: Placement;
}

/**
 * Copies blobs, at most four at a time and each digest once; tells what became of each, in the order given. Whether
 * the target has one already is its own knowledge: then it does not open the body, and nothing is read. The first
 * failure stops the others and is thrown after they ended, so that nothing is still being written when the caller
 * goes on. The manifest is the caller's: last.
 */
export async function copyContent(
  from: Fetcher,
  to: Pusher,
  descriptors: readonly Descriptor[],
  outer?: AbortSignal,
): Promise<readonly CopiedBlob[]> {
  const stop = new AbortController();
  const signal = outer === undefined ? stop.signal : AbortSignal.any([outer, stop.signal]);
  const each = [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
  const waiting = each.toReversed();
  const placements = new Map<Descriptor, Placement>();
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      signal.throwIfAborted();
      placements.set(next, await to.push(next, bodyOf(from, next, signal), signal));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, () => work().catch((error: unknown) => stop.abort(error))));
  outer?.throwIfAborted();
  // The first failure is the reason of all the others.
  stop.signal.throwIfAborted();
  return each.map((descriptor) => ({ descriptor, placement: placements.get(descriptor) ?? "present" }));
}

/** Content that is fetched when the target asks for it, again at every retry. */
function bodyOf(from: Fetcher, descriptor: Descriptor, signal: AbortSignal): BodySource {
  return {
    size: descriptor.size,
    open: (start = 0) =>
      start === 0 ? from.fetch(descriptor, signal) : skipBytes(from.fetch(descriptor, signal), start),
  };
}

const CONCURRENCY = 4;
