import { WasmeError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { follow, type Snapshot } from "../kube/follow.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, listAt, stringAt, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { withDeadline } from "./deadline.ts";
import { inParallel } from "./in-parallel.ts";
import { stuckReason } from "./live-workload.ts";
import type { ClusterDeps } from "./request.ts";
import { rolloutState } from "./rollout-state.ts";
import { labelText } from "./select-workloads.ts";

/** Workloads of one kind and namespace, and how long to wait for all of them. */
export interface ReadyRequest {
  readonly workloads: readonly ObjectRef[];
  /** Milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Waits until each workload runs only ready pods of its newest template; one watch for all, one event per change.
 * Throws `ROLLOUT_FAILED` (failed) when a roll-out gives up, a workload is deleted or the time is over; the message
 * says what its pods are waiting for.
 */
export async function waitReady(deps: ClusterDeps, request: ReadyRequest): Promise<void> {
  const [first] = request.workloads;
  if (first === undefined) return;
  const { clock, signal } = deps;
  const progress = new Progress(deps, request.workloads);
  const selection =
    first.namespace === undefined ? { kind: first.kind } : { kind: first.kind, namespace: first.namespace };
  let stuck: ObjectRef | undefined;
  try {
    const late = (): Error => new WasmeError("failed", "ROLLOUT_TIMEOUT", "");
    await withDeadline({ clock, ms: request.timeoutMs, signal, late }, async (both) => {
      for await (const objects of follow(deps, selection, both)) {
        stuck = progress.look(objects);
        if (stuck !== undefined || progress.done) return;
      }
    });
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "ROLLOUT_TIMEOUT") throw error;
    stuck = progress.firstOpen;
  }
  if (stuck !== undefined) throw await failure(deps, progress, { ref: stuck, seconds: request.timeoutMs / 1000 });
}

/**
 * Looks once: `undefined` when all run their newest template, else what the first of the others is at. Throws
 * `ROLLOUT_FAILED` for one that gave up or was deleted.
 */
export async function lookReady(deps: ClusterDeps, request: ReadyRequest): Promise<string | undefined> {
  const progress = new Progress(deps, request.workloads);
  const found = await inParallel(
    request.workloads,
    async (ref) => [ref.name, await deps.port.get(ref, deps.signal)] as const,
  );
  const objects = new Map(found.flatMap(([name, live]) => (live === undefined ? [] : [[name, live] as const])));
  const stuck = progress.look(objects);
  if (stuck !== undefined) throw await failure(deps, progress, { ref: stuck, seconds: request.timeoutMs / 1000 });
  const open = progress.firstOpen;
  return open === undefined ? undefined : `${title(open)}: ${progress.said(open)}`;
}

/** What was last seen of each workload. */
class Progress {
  readonly #deps: ClusterDeps;
  readonly #open: Map<string, ObjectRef>;
  readonly #said = new Map<string, string>();
  readonly #seen = new Map<string, KubeObject>();

  constructor(deps: ClusterDeps, workloads: readonly ObjectRef[]) {
    this.#deps = deps;
    this.#open = new Map(workloads.map((ref) => [ref.name, ref]));
  }

  get done(): boolean {
    return this.#open.size === 0;
  }

  get firstOpen(): ObjectRef | undefined {
    return this.#open.values().next().value;
  }

  said(ref: ObjectRef): string {
    return this.#said.get(ref.name) ?? "not seen yet";
  }

  seen(ref: ObjectRef): KubeObject | undefined {
    return this.#seen.get(ref.name);
  }

  /** Takes a snapshot in; gives the workload that will not become ready. */
  look(objects: Snapshot): ObjectRef | undefined {
    for (const ref of this.#open.values()) {
      const live = objects.get(ref.name);
      // One change is told at a time, and all others are as they were.
      if (live !== undefined && this.#seen.get(ref.name) === live) continue;
      const state = live === undefined ? { status: "failed", message: "it was deleted" } : rolloutState(live);
      if (live !== undefined) this.#seen.set(ref.name, live);
      if (this.#said.get(ref.name) !== state.message) {
        this.#said.set(ref.name, state.message);
        this.#deps.events({ type: "milestone", message: `${title(ref)}: ${state.message}` });
      }
      if (state.status === "failed") return ref;
      if (state.status === "done") this.#open.delete(ref.name);
    }
    return undefined;
  }
}

function title(ref: ObjectRef): string {
  return `${ref.kind.kind.toLowerCase()}/${ref.name}`;
}

async function failure(
  deps: ClusterDeps,
  progress: Progress,
  at: { ref: ObjectRef; seconds: number },
): Promise<WasmeError> {
  const { ref } = at;
  const live = progress.seen(ref);
  const stuck = live === undefined ? undefined : stuckReason(live);
  const reasons = live === undefined ? [] : await podReasons(deps, live);
  const pods = reasons.length === 0 ? "" : `; its pods wait: ${reasons.join(", ")}`;
  const why = stuck === undefined ? progress.said(ref) : `${stuck.why} (${progress.said(ref)})`;
  const scope = ref.namespace === undefined ? "" : ` -n ${ref.namespace}`;
  const hint =
    stuck?.hint ??
    `kubectl rollout status ${title(ref)}${scope}; then run the same command again, --timeout (${at.seconds} s) can be longer`;
  return new WasmeError("failed", "ROLLOUT_FAILED", `${title(ref)} did not roll out: ${why}${pods}`, {
    hint,
    details: { workload: title(ref), namespace: ref.namespace ?? null, pods: reasons },
  });
}

/** Why containers of the workload's pods are waiting, each reason once. Not being allowed to look is no failure. */
async function podReasons(deps: ClusterDeps, live: KubeObject): Promise<readonly string[]> {
  const labelSelector = labelText(stringMapAt(live, "spec", "selector", "matchLabels"));
  const { namespace } = live.metadata;
  if (namespace === undefined || labelSelector === "") return [];
  const listed = await deps.port
    .list({ kind: Kinds.pod, namespace, labelSelector }, deps.signal)
    .catch((error: unknown) => {
      if (error instanceof WasmeError) return { items: [] };
      throw error;
    });
  const reasons = listed.items.flatMap((pod) => [
    ...waiting(pod, "initContainerStatuses"),
    ...waiting(pod, "containerStatuses"),
    ...unscheduled(pod),
  ]);
  return [...new Set(reasons)].slice(0, 5);
}

function waiting(pod: KubeObject, statuses: string): readonly string[] {
  return listAt(pod, "status", statuses).flatMap((status) => {
    const reason = stringAt(status, "state", "waiting", "reason");
    return reason === undefined ? [] : [`${stringAt(status, "name") ?? "container"}: ${reason}`];
  });
}

function unscheduled(pod: KubeObject): readonly string[] {
  return listAt(pod, "status", "conditions").flatMap((condition) => {
    if (!isObject(condition) || condition["type"] !== "PodScheduled" || condition["status"] !== "False") return [];
    return [stringAt(condition, "message") ?? "not scheduled"];
  });
}
