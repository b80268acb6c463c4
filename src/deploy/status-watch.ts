import type { Clock } from "../platform/clock.ts";
import type { EventSink } from "../domain/events.ts";
import { firstTrouble, type FilterStatus, type StatusStep } from "./status-step.ts";
import type { StatusResult } from "./status.ts";

/** How long is looked, and how often. */
export interface WatchRequest {
  /** Milliseconds; then the last state is told as it is. */
  readonly timeoutMs: number;
  /** Milliseconds between two looks. */
  readonly everyMs: number;
}

/**
 * Looks again and again until every filter is on, or the time is over, and tells what changes. Gives the last look.
 */
export async function watchStatus(
  deps: { readonly clock: Clock; readonly events: EventSink; readonly signal?: AbortSignal | undefined },
  look: () => Promise<StatusResult>,
  { timeoutMs, everyMs }: WatchRequest,
): Promise<StatusResult> {
  const { clock, events, signal } = deps;
  const deadline = clock.now() + timeoutMs;
  const told = new Map<string, string>();
  for (;;) {
    const result = await look();
    for (const filter of result.filters) {
      const name = filterTitle(filter);
      const trouble = firstTrouble(filter.steps);
      const text = trouble === undefined ? "on" : `${trouble.name}: ${trouble.message}${fixOf(trouble)}`;
      if (told.get(name) !== text) events({ type: "milestone", message: `${name}: ${text}` });
      told.set(name, text);
    }
    if (result.filters.every(({ state }) => state === "on") || clock.now() + everyMs > deadline) return result;
    await clock.sleep(everyMs, signal);
  }
}

/** What to do about a step that will not come right by itself. */
function fixOf({ state, fix }: StatusStep): string {
  return state === "failed" && fix !== undefined ? `; ${fix}` : "";
}

/** `hello on deployment/web in shop`. */
export function filterTitle({ id, workload, namespace }: Pick<FilterStatus, "id" | "workload" | "namespace">): string {
  return `${id}${workload === undefined ? "" : ` on ${workload}`} in ${namespace}`;
}
