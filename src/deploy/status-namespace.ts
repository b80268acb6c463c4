import { isObject } from "../domain/json.ts";
import { type KubeObject, listAt, stringAt } from "../kube/objects.ts";
import type { Wishes } from "./status-operator.ts";
import { operatorTrouble } from "./status-operators.ts";
import { failed, type StatusStep } from "./status-step.ts";
import type { Sight } from "./status-survey.ts";

/**
 * The step `workload` in a namespace that is being deleted, with what holds it; `undefined` in one that stays. A filter is not
 * on there, although its pods may run for a while.
 */
export function goingStep(space: Sight<KubeObject | undefined>, wishes: Wishes): StatusStep | undefined {
  const live = "seen" in space ? space.seen : undefined;
  if (live?.metadata.deletionTimestamp === undefined) return undefined;
  const { name } = live.metadata;
  const message = `namespace ${JSON.stringify(name)} is being deleted`;
  const held = holders(wishes, name);
  const trouble = held.length === 0 ? undefined : operatorTrouble(wishes.operators, name);
  if (trouble !== undefined) {
    const why = `${message}, and the finalizer of FilterDeployment ${held.join(", ")} holds it: ${trouble.why}`;
    return failed("workload", why, `${trouble.fix}; or, to give up: ${giveUp(held[0] ?? "", name)}`);
  }
  const told = listAt(live, "status", "conditions").flatMap(remainder);
  const look = `it goes by itself when nothing holds it: kubectl describe namespace ${name}`;
  return failed("workload", [message, ...told].join("; "), look);
}

/** The FilterDeployments that are to go with their namespace and are still there. */
function holders({ all }: Wishes, namespace: string): readonly string[] {
  const seen = "seen" in all ? all.seen : [];
  const held = seen.filter(({ metadata: own }) => own.namespace === namespace && own.deletionTimestamp !== undefined);
  return held.map(({ metadata }) => metadata.name);
}

/** What the server says is left, such as `Some content in the namespace has finalizers remaining: …`. */
function remainder(condition: unknown): readonly string[] {
  if (!isObject(condition) || condition["status"] !== "True") return [];
  const message = stringAt(condition, "message");
  return message === undefined || message === "" ? [] : [message];
}

/** Leaves behind what was made for it. */
function giveUp(name: string, namespace: string): string {
  return `kubectl patch filterdeployment ${name} -n ${namespace} --type=merge -p '{"metadata":{"finalizers":null}}'`;
}
