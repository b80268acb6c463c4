import { type Workload, workloadTitle } from "../domain/workload.ts";
import type { Plan } from "./plan.ts";
import type { Via } from "./request.ts";
import { hasLabels } from "./select-workloads.ts";

/**
 * Istio selects pods by labels alone, so a filter also reaches the pods of every workload that carry all labels of the
 * chosen one's pods: a canary beside its stable version. `chosen` are among `all`, the workloads of the namespace.
 */
export function overlapWarnings(chosen: readonly Workload[], all: readonly Workload[], via: Via): Plan["warnings"] {
  const names = new Set(chosen.map(({ name }) => name));
  return chosen.flatMap((one) =>
    all
      .filter((other) => other.name !== one.name && hasLabels(other.podLabels, one.podLabels))
      .map((other) => ({
        message: `pods of ${workloadTitle(other)} carry all labels of ${workloadTitle(one)}'s pods: ${effect(names.has(other.name), via)}`,
        hint: "give each pod template a label of its own",
      })),
  );
}

function effect(isChosen: boolean, via: Via): string {
  if (isChosen) return "the filter runs there twice";
  if (via !== "envoyfilter") return "the filter runs there too";
  return "their proxies are told of a module they do not have, and refuse their listeners";
}
