import { WasmeError } from "../domain/errors.ts";
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
 * Looks again and again until every filter is on, or the time is over, and tells what changes. Gives the last look. A server
 * that was reached once and is away for a moment is tried again; what the last look throws is thrown.
 */
export async function watchStatus(
  deps: { readonly clock: Clock; readonly events: EventSink; readonly signal?: AbortSignal | undefined },
  look: () => Promise<StatusResult>,
  { timeoutMs, everyMs }: WatchRequest,
): Promise<StatusResult> {
  const { clock, events, signal } = deps;
  const deadline = clock.now() + timeoutMs;
  const told = new Map<string, string>();
  const say = (about: string, message: string): void => {
    if (told.get(about) !== message) events({ type: "milestone", message });
    told.set(about, message);
  };
  for (let reached = false; ; reached = true) {
    const result = await look().catch((error: unknown) => {
      if (!reached || !isPassing(error) || clock.now() + everyMs > deadline) throw error;
      say(SERVER, `${error.message}: trying again`);
      return undefined;
    });
    if (result === undefined) {
      await clock.sleep(everyMs, signal);
      continue;
    }
    told.delete(SERVER);
    for (const filter of result.filters) {
      const name = filterTitle(filter);
      const trouble = firstTrouble(filter.steps);
      const text = trouble === undefined ? "on" : `${trouble.name}: ${trouble.message}${fixOf(trouble)}`;
      say(name, `${name}: ${text}`);
    }
    if (result.filters.every(({ state }) => state === "on") || clock.now() + everyMs > deadline) return result;
    await clock.sleep(everyMs, signal);
  }
}

const SERVER = "";

/** An API server that restarts refuses connections for a while. A certificate does not come right by itself. */
function isPassing(error: unknown): error is WasmeError {
  return error instanceof WasmeError && error.kind === "unreachable" && error.code !== "KUBE_TLS";
}

/** What to do about a step that will not come right by itself. */
function fixOf({ state, fix }: StatusStep): string {
  return state === "failed" && fix !== undefined ? `; ${fix}` : "";
}

/** `hello on deployment/web in shop`. */
export function filterTitle({ id, workload, namespace }: Pick<FilterStatus, "id" | "workload" | "namespace">): string {
  return `${id}${workload === undefined ? "" : ` on ${workload}`} in ${namespace}`;
}
