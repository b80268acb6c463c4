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
  const first = held.find((one) => refusalOf(one) !== undefined) ?? held[0];
  if (first !== undefined) return heldStep(message, held, { first, wishes });
  const told = listAt(live, "status", "conditions").flatMap(remainder);
  const look = `it goes by itself when nothing holds it: kubectl describe namespace ${name}`;
  return failed("workload", [message, ...told].join("; "), look);
}

/** The FilterDeployments that are to go with their namespace and are still there. */
function holders({ all }: Wishes, namespace: string): readonly KubeObject[] {
  const seen = "seen" in all ? all.seen : [];
  return seen.filter(({ metadata: own }) => own.namespace === namespace && own.deletionTimestamp !== undefined);
}

/** Where FilterDeployments hold the namespace: nobody is at them, or the operator says why it cannot end, or is about to. */
function heldStep(
  message: string,
  held: readonly KubeObject[],
  { first, wishes }: { readonly first: KubeObject; readonly wishes: Wishes },
): StatusStep {
  const { name, namespace = "" } = first.metadata;
  const names = held.map(({ metadata }) => metadata.name).join(", ");
  const trouble = operatorTrouble(wishes.operators, namespace);
  const why = trouble?.why ?? refusalOf(first);
  const fix = trouble?.fix ?? `kubectl describe filterdeployment ${name} -n ${namespace}`;
  return failed(
    "workload",
    `${message}, and the finalizer of FilterDeployment ${names} holds it${why === undefined ? "" : `: ${why}`}`,
    why === undefined ? fix : `${fix}; or, to give up: ${giveUp(name, namespace)}`,
  );
}

/** Why the operator cannot end the deletion, as it says itself. */
function refusalOf(wish: KubeObject): string | undefined {
  const told = listAt(wish, "status", "conditions").find((one) => stringAt(one, "reason") === "CannotRemove");
  return stringAt(told, "message");
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
