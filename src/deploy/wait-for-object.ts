import { WasmeError } from "../domain/errors.ts";
import { follow } from "../kube/follow.ts";
import { withDeadline } from "./deadline.ts";
import { type ObjectWait, refTitle } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";

/**
 * Waits until the object is as the step wants it, with one event for each change of its message. Throws
 * `OBJECT_NOT_READY` (failed) when the time is over.
 */
export async function waitForObject(deps: ClusterDeps, step: ObjectWait): Promise<void> {
  const { ref, timeoutMs } = step;
  if (timeoutMs === 0) return;
  const { clock, signal, events } = deps;
  const scope = ref.namespace === undefined ? {} : { namespace: ref.namespace };
  const selection = { kind: ref.kind, ...scope, fieldSelector: `metadata.name=${ref.name}` };
  let said = "";
  const late = (): Error => {
    const message = `${refTitle(ref)} was not ready after ${timeoutMs / 1000} s: ${said}`;
    const where = ref.namespace === undefined ? "" : ` -n ${ref.namespace}`;
    return new WasmeError("failed", "OBJECT_NOT_READY", message, {
      hint: `kubectl describe ${ref.kind.plural} ${ref.name}${where}; run the same command again then`,
    });
  };
  await withDeadline({ clock, ms: timeoutMs, signal, late }, async (both) => {
    for await (const objects of follow(deps, selection, both)) {
      const { done, message } = step.look(objects.get(ref.name));
      if (message !== said && !done) events({ type: "milestone", message: `${refTitle(ref)}: ${message}` });
      said = message;
      if (done) return;
    }
  });
}

/** Looks once: `undefined` when the wait is over, else how far it is. */
export async function lookAtObject(deps: ClusterDeps, step: ObjectWait): Promise<string | undefined> {
  if (step.timeoutMs === 0) return undefined;
  const { done, message } = step.look(await deps.port.get(step.ref, deps.signal));
  return done ? undefined : `${refTitle(step.ref)}: ${message}`;
}
