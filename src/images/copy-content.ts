import { type BodySource, type Fetcher, type Pusher, skipBytes } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";

/** What was done, each digest counted once. */
export interface CopyResult {
  /** What was read from the source. */
  readonly copied: readonly Descriptor[];
  /** What the target had already. */
  readonly skipped: readonly Descriptor[];
}

/**
 * Copies blobs, at most four at a time and each digest once. Whether the target has one already is its own knowledge:
 * then it does not open the body, and nothing is read. The first failure stops the others and is thrown after
 * they ended, so that nothing is still being written when the caller goes on. The manifest is the caller's: last.
 */
export async function copyContent(
  from: Fetcher,
  to: Pusher,
  descriptors: readonly Descriptor[],
  outer?: AbortSignal,
): Promise<CopyResult> {
  const stop = new AbortController();
  const signal = outer === undefined ? stop.signal : AbortSignal.any([outer, stop.signal]);
  const waiting = [...new Map(descriptors.map((each) => [each.digest, each])).values()].toReversed();
  const copied: Descriptor[] = [];
  const skipped: Descriptor[] = [];

  const copyOne = async (descriptor: Descriptor): Promise<void> => {
    signal.throwIfAborted();
    const read = await pushFetched(from, to, descriptor, signal);
    (read ? copied : skipped).push(descriptor);
  };
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await copyOne(next);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, () => work().catch((error: unknown) => stop.abort(error))));
  outer?.throwIfAborted();
  // The first failure is the reason of all the others.
  stop.signal.throwIfAborted();
  return { copied, skipped };
}

/** Pushes content that is fetched when the target asks for it, again at every retry; tells whether it asked. */
async function pushFetched(from: Fetcher, to: Pusher, descriptor: Descriptor, signal: AbortSignal): Promise<boolean> {
  let read = false;
  const body: BodySource = {
    size: descriptor.size,
    open: (start = 0) => {
      read = true;
      return start === 0 ? from.fetch(descriptor, signal) : skipBytes(from.fetch(descriptor, signal), start);
    },
  };
  await to.push(descriptor, body, signal);
  return read;
}

const CONCURRENCY = 4;
