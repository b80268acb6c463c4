import { WasmeError } from "../domain/errors.ts";
import type { KubeObject } from "./objects.ts";
import type { KubePort, Selection } from "./port.ts";
import type { Clock } from "../platform/clock.ts";

/** All matching objects by name, as of the newest thing the server told. */
export type Snapshot = ReadonlyMap<string, KubeObject>;

/** The pause after a watch that failed or ended at once, so that a broken server is not hammered. Milliseconds. */
const PAUSE_MS = 500;

/** So many times in a row a watch may not get through, half a minute: a server that restarts is back by then. */
const MAX_FAILURES = 60;

/**
 * The set of matching objects, again after each change, for ever: a list and then watches, listing anew when the
 * server has forgotten the version. Ends only with the caller's loop or an abort (throws its reason).
 */
export async function* follow(
  deps: { readonly port: Pick<KubePort, "list" | "watch">; readonly clock: Clock },
  selection: Selection,
  signal?: AbortSignal,
): AsyncGenerator<Snapshot> {
  for (;;) {
    const listed = await deps.port.list(selection, signal);
    const objects = new Map(listed.items.map((item) => [item.metadata.name, item]));
    yield objects;
    let version: string | undefined = listed.resourceVersion;
    const failures = { inARow: 0 };
    while (version !== undefined) {
      const before: string = version;
      version = yield* watchOnce(deps.port, { selection, from: before, objects, failures }, signal);
      if (version === before) await deps.clock.sleep(PAUSE_MS, signal);
    }
  }
}

/** One watch; gives the version to go on from, `undefined` when the server has forgotten it. */
async function* watchOnce(
  port: Pick<KubePort, "watch">,
  state: {
    readonly selection: Selection;
    readonly from: string;
    readonly objects: Map<string, KubeObject>;
    readonly failures: { inARow: number };
  },
  signal: AbortSignal | undefined,
): AsyncGenerator<Snapshot, string | undefined> {
  let version = state.from;
  try {
    for await (const { type, object } of port.watch(state.selection, version, signal)) {
      version = object.metadata.resourceVersion ?? version;
      state.failures.inARow = 0;
      if (type === "DELETED") state.objects.delete(object.metadata.name);
      else if (type !== "BOOKMARK") state.objects.set(object.metadata.name, object);
      if (type !== "BOOKMARK") yield state.objects;
    }
    return version;
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_GONE") return undefined;
    state.failures.inARow += 1;
    const away = error instanceof WasmeError && error.kind === "unreachable";
    if (away && state.failures.inARow <= MAX_FAILURES) return version;
    throw error;
  }
}
