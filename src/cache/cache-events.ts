import type { Recorder } from "../controller/event-recorder.ts";
import { EVENT_IMAGE, eventLabels } from "../mesh/cache-event.ts";
import type { EntryChange } from "./report-book.ts";

/** Which cache the events are about. */
export interface CacheName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Tells what became of an entry as an event on the list's ConfigMap, with the reasons and labels of the old tool, which
 * its `deploy` waits for: once for each change, and nothing of what was on the node already.
 */
export function recordChange(recorder: Recorder, cache: CacheName, { entry, before, after }: EntryChange): void {
  const isAdded = after.state === "ready" && after.isNew === true;
  const isFailed = after.error !== undefined && after.error !== before?.error;
  if (!isAdded && !isFailed) return;
  recorder.record({
    about: { apiVersion: "v1", kind: "ConfigMap", metadata: cache },
    type: isAdded ? "Normal" : "Warning",
    reason: isAdded ? "ImageAdded" : "ImageError",
    action: "Pull",
    note: isAdded ? `added ${entry.text} to the cache` : `${entry.text}: ${after.error ?? ""}`,
    namePrefix: "wasme-cache-event",
    labels: eventLabels(entry.text),
    annotations: { [EVENT_IMAGE]: entry.text },
  });
}
