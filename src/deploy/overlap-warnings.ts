import type { Delivery } from "../domain/delivery.ts";
import { type Workload, workloadTitle } from "../domain/workload.ts";
import type { Plan } from "./plan.ts";
import { hasLabels } from "./select-workloads.ts";

/**
 * Istio selects pods by labels alone, so a filter also reaches the pods of every workload that carry all labels of the
 * chosen one's pods: a canary beside its stable version. `chosen` are among `all`, the workloads of the namespace.
 */
export function overlapWarnings(
  chosen: readonly Workload[],
  all: readonly Workload[],
  delivery: Delivery,
): Plan["warnings"] {
  const names = new Set(chosen.map(({ name }) => name));
  return chosen.flatMap((one) =>
    all
      .filter((other) => other.name !== one.name && hasLabels(other.podLabels, one.podLabels))
      .map((other) => ({
        message: `pods of ${workloadTitle(other)} carry all labels of ${workloadTitle(one)}'s pods: ${effect(names.has(other.name), delivery)}`,
        hint: "give each pod template a label of its own",
      })),
  );
}

function effect(isChosen: boolean, delivery: Delivery): string {
  if (isChosen) return "the filter runs there twice";
  if (delivery === "registry" || delivery === "cache-http") return "the filter runs there too";
  return "their proxies are told of a module they do not have, and refuse their listeners";
}
