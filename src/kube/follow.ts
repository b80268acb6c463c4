import { WasmeError } from "../domain/errors.ts";
import { listWatch, type ListWatchDeps } from "./list-watch.ts";
import type { KubeObject } from "./objects.ts";
import type { Selection, WatchEvent } from "./port.ts";

/** All matching objects by name, as of the newest thing the server told. */
export type Snapshot = ReadonlyMap<string, KubeObject>;

/** So many times in a row a watch may not get through, about a minute: a server that restarts is back by then. */
const MAX_FAILURES = 8;

/**
 * The set of matching objects of one namespace, again after each change, for ever: for commands, which want to know
 * when something cannot work. Throws the first list's failure, any refusal, and the last of eight failures to reach
 * the server. Otherwise ends only with the caller's loop or an abort (throws its reason).
 */
export async function* follow(
  deps: ListWatchDeps,
  selection: Selection,
  signal?: AbortSignal,
): AsyncGenerator<Snapshot> {
  let listed = false;
  let objects = new Map<string, KubeObject>();
  for await (const step of listWatch(deps, selection, signal)) {
    if (step.type === "listing") objects = new Map();
    else if (step.type === "page") for (const item of step.items) objects.set(item.metadata.name, item);
    else if (step.type === "failed") {
      const away = step.error instanceof WasmeError && step.error.kind === "unreachable";
      if (!listed || !away || step.inARow > MAX_FAILURES) throw step.error;
    } else if (step.type === "listed") {
      listed = true;
      yield objects;
    } else if (update(objects, step.event)) yield objects;
  }
}

/** Whether the event changes the set. */
function update(objects: Map<string, KubeObject>, { type, object }: WatchEvent): boolean {
  if (type === "DELETED") objects.delete(object.metadata.name);
  else if (type !== "BOOKMARK") objects.set(object.metadata.name, object);
  return type !== "BOOKMARK";
}
