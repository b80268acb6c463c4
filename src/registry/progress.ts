import type { Descriptor } from "../domain/descriptor.ts";
import type { EventSink } from "../domain/events.ts";

/** Least change between two events, so that a fast transfer does not drown its listener. Bytes. */
const STEP = 512 * 1024;

/** Tells `events` how far a transfer is: every half MiB, and once at the end. Going back is not told. */
export function reportProgress(
  events: EventSink,
  descriptor: Descriptor,
  direction: "upload" | "download",
): (done: number) => void {
  const { digest, size: total } = descriptor;
  let told = 0;
  return (done) => {
    if (done <= told || (done < total && done - told < STEP)) return;
    told = done;
    events({ type: "blob.progress", digest, direction, done: Math.min(done, total), total });
  };
}
