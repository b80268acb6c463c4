import type { Delivery } from "../domain/delivery.ts";
import { type Workload, workloadTitle } from "../domain/workload.ts";
import type { Plan } from "./plan.ts";
import { indexSelectors } from "./selector-index.ts";

/** So many are named, the rest are counted: a thousand workloads of one chart may share all labels. */
const NAMED = 5;
const HINT = "give each pod template a label of its own";

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
  const matching = indexSelectors(sameLabels(chosen), ({ labels }) => labels);
  const reached = all.flatMap((other) => {
    const groups = matching(other.podLabels);
    const own = names.has(other.name) ? groups.find(({ key }) => key === labelsKey(other)) : undefined;
    const count = groups.reduce((sum, { members }) => sum + members.length, own === undefined ? 0 : -1);
    const one = groups.flatMap(({ members }) => members.slice(0, 2)).find(({ name }) => name !== other.name);
    return one === undefined ? [] : [{ other, one, count }];
  });
  const warnings = reached.slice(0, NAMED).map(({ other, one, count }) => {
    const more = count === 1 ? "" : ` and of ${count - 1} more`;
    const labels = `carry all labels of ${workloadTitle(one)}'s pods${more}`;
    const message = `pods of ${workloadTitle(other)} ${labels}: ${effect(names.has(other.name), delivery)}`;
    return { message, hint: HINT };
  });
  if (reached.length <= NAMED) return warnings;
  return [...warnings, { message: `so do pods of ${reached.length - NAMED} more workloads`, hint: HINT }];
}

/** Workloads whose pods have the same labels. */
interface Group {
  readonly key: string;
  readonly labels: Workload["podLabels"];
  readonly members: Workload[];
}

function sameLabels(workloads: readonly Workload[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const one of workloads) {
    const key = labelsKey(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { key, labels: one.podLabels, members: [one] });
    else group.members.push(one);
  }
  return [...groups.values()];
}

function labelsKey({ podLabels }: Workload): string {
  return JSON.stringify(Object.entries(podLabels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function effect(isChosen: boolean, delivery: Delivery): string {
  if (isChosen) return "the filter runs there twice";
  if (delivery === "registry" || delivery === "cache-http") return "the filter runs there too";
  return "their proxies are told of a module they do not have, and refuse their listeners";
}
