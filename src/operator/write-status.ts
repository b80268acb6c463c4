import type { Trouble } from "../controller/controller.ts";
import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { FILTER_DEPLOYMENT_KIND, FILTER_DEPLOYMENT_VERSION } from "../mesh/filter-deployment-crd.ts";
import type { Findings } from "./conditions.ts";
import { conditionIn, nextStatus } from "./status.ts";
import type { Work } from "./work.ts";

/** What a status is written with. */
export type StatusWork = Pick<Work, "live" | "signal"> & {
  readonly deps: Pick<Work["deps"], "clock"> & {
    readonly port: Pick<Work["deps"]["port"], "apply" | "get">;
    readonly recorder: Pick<Work["deps"]["recorder"], "record">;
  };
};

/**
 * Writes what was found out, if it is anything new, and records an event when Ready changed. An object that is gone or
 * another one by now needs none. Throws what the server's refusals are.
 */
export async function writeStatus(work: StatusWork, findings: Findings): Promise<void> {
  const { deps, live, signal } = work;
  const status = nextStatus(live, findings, deps.clock.now());
  if (status === undefined) return;
  const { name, namespace, uid } = live.metadata;
  const object = {
    apiVersion: FILTER_DEPLOYMENT_VERSION,
    kind: FILTER_DEPLOYMENT_KIND,
    // The uid keeps an object of the same name that was made meanwhile from getting the status of this one.
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }) },
    status,
  };
  try {
    await deps.port.apply(Kinds.filterDeployment, object, { subresource: "status", force: true, signal });
  } catch (error) {
    if (!(error instanceof WasmeError) || !GONE.has(error.code)) throw error;
    const ref = { kind: Kinds.filterDeployment, name, ...(namespace === undefined ? {} : { namespace }) };
    const now = await deps.port.get(ref, signal);
    if (now !== undefined && now.metadata.uid === uid) throw error;
    return;
  }
  record(work, live, findings);
}

/** One event for each change of Ready: the counts in its message change more often than anybody wants to hear. */
function record({ deps }: StatusWork, live: KubeObject, { conditions }: Findings): void {
  const { Ready } = conditions;
  const before = conditionIn(live, "Ready");
  if (before?.status === Ready.status && before.reason === Ready.reason) return;
  const isCalm = Ready.status === "True" || CALM.has(Ready.reason);
  deps.recorder.record({
    about: live,
    type: isCalm ? "Normal" : "Warning",
    reason: Ready.reason,
    action: "Reconcile",
    note: Ready.message,
  });
}

/** What somebody has to look at, if anything; what only takes its time is none, unless it takes too long. */
export function troubleOf({ conditions }: Findings): Trouble | undefined {
  const { Ready, Degraded } = conditions;
  if (Ready.status === "False" && !CALM.has(Ready.reason)) return Ready;
  return Degraded.reason === "TakesTooLong" ? Degraded : undefined;
}

const GONE: ReadonlySet<string> = new Set(["KUBE_NOT_FOUND", "KUBE_CONFLICT"]);
const CALM: ReadonlySet<string> = new Set(["WaitingForNodes", "WaitingForRollout", "IdInUse"]);
