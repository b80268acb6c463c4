import type { BodySource, Fetcher, Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";

/** Where content goes and how the copy behaves. */
export interface CopyOptions {
  /** True for content the target has already, which is then not read at all. */
  readonly has: (descriptor: Descriptor, signal: AbortSignal) => Promise<boolean>;
  readonly direction: "upload" | "download";
  readonly events?: EventSink | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was done, each digest counted once. */
export interface CopyResult {
  readonly copied: readonly Descriptor[];
  readonly skipped: readonly Descriptor[];
}

/**
 * Copies blobs, at most four at a time and each digest once. The first failure stops the others and is thrown after
 * they ended, so that nothing is still being written when the caller goes on. The manifest is the caller's: last.
 */
export async function copyContent(
  from: Fetcher,
  to: Pusher,
  descriptors: readonly Descriptor[],
  options: CopyOptions,
): Promise<CopyResult> {
  const events = options.events ?? ignoreEvents;
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const waiting = [...new Map(descriptors.map((each) => [each.digest, each])).values()].toReversed();
  const copied: Descriptor[] = [];
  const skipped: Descriptor[] = [];

  const copyOne = async (descriptor: Descriptor): Promise<void> => {
    if (await options.has(descriptor, signal)) {
      skipped.push(descriptor);
      events({ type: "blob.skipped", digest: descriptor.digest, reason: "already there" });
      return;
    }
    await to.push(descriptor, fetchedBody(from, descriptor, options.direction, { events, signal }), signal);
    events({ type: "blob.progress", ...progressOf(descriptor, options.direction), done: descriptor.size });
    copied.push(descriptor);
  };
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      signal.throwIfAborted();
      await copyOne(next);
    }
  };
  const failed = (error: unknown): never => {
    stop.abort(error);
    throw error;
  };
  const outcomes = await Promise.allSettled(Array.from({ length: CONCURRENCY }, () => work().catch(failed)));
  options.signal?.throwIfAborted();
  // The first failure aborted the others with itself as the reason.
  if (stop.signal.aborted) throw stop.signal.reason;
  const lost = outcomes.find((outcome) => outcome.status === "rejected");
  if (lost !== undefined) throw lost.reason;
  return { copied, skipped };
}

/** Content that is fetched when it is asked for, again at every retry. */
function fetchedBody(
  from: Fetcher,
  descriptor: Descriptor,
  direction: CopyOptions["direction"],
  { events, signal }: { readonly events: EventSink; readonly signal: AbortSignal },
): BodySource {
  return {
    size: descriptor.size,
    async *open(start = 0) {
      let done = 0;
      for await (const chunk of from.fetch(descriptor, signal)) {
        const skip = Math.min(chunk.byteLength, Math.max(0, start - done));
        done += chunk.byteLength;
        if (skip < chunk.byteLength) yield skip === 0 ? chunk : chunk.subarray(skip);
        // The last one is told when the target has accepted it.
        if (done < descriptor.size) events({ type: "blob.progress", ...progressOf(descriptor, direction), done });
      }
    },
  };
}

function progressOf(
  descriptor: Descriptor,
  direction: CopyOptions["direction"],
): { readonly digest: Descriptor["digest"]; readonly direction: CopyOptions["direction"]; readonly total: number } {
  return { digest: descriptor.digest, direction, total: descriptor.size };
}

const CONCURRENCY = 4;
