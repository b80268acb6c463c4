import { isObject } from "../domain/json.ts";
import { at, type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";
import {
  type Condition,
  CONDITION_TYPES,
  type ConditionType,
  type Findings,
  type WorkloadResult,
} from "./conditions.ts";

/** Results written; more would make the object large, and nobody reads them. */
const MOST_RESULTS = 50;
const LONGEST_MESSAGE = 1000;

/**
 * The status a FilterDeployment is to have. A condition keeps the time of its last change of status. `undefined` when it has
 * just that already: then nothing is written.
 */
export function nextStatus(live: KubeObject, findings: Findings, now: number): Record<string, unknown> | undefined {
  const generation = numberAt(live, ["metadata", "generation"]);
  const time = `${new Date(now).toISOString().slice(0, 19)}Z`;
  const conditions = CONDITION_TYPES.map((type) =>
    conditionOf(type, findings.conditions[type], { live, generation, time }),
  );
  const { workloads } = findings;
  const count = (state: WorkloadResult["state"]): number => workloads.filter((result) => result.state === state).length;
  const ready = findings.conditions.Ready;
  const status = defined({
    observedGeneration: generation,
    conditions,
    filter: findings.id,
    image: findings.image,
    moduleDigest: findings.moduleDigest,
    rootId: findings.rootId,
    via: findings.via,
    delivery: findings.delivery,
    verified: findings.verified,
    ready: `${count("Succeeded")}/${workloads.length}`,
    counts: {
      matched: workloads.length,
      succeeded: count("Succeeded"),
      pending: count("Pending"),
      failed: count("Failed"),
    },
    workloads: shown(workloads),
    reason: ready.status === "True" ? undefined : clip(ready.message),
  });
  return same(live["status"], status) ? undefined : status;
}

/** What a status says of one condition; `undefined` when it does not. */
export function conditionIn(live: KubeObject, type: ConditionType): Condition | undefined {
  const found = listAt(live, "status", "conditions").find((one) => isObject(one) && one["type"] === type);
  const status = stringAt(found, "status");
  if (status !== "True" && status !== "False" && status !== "Unknown") return undefined;
  return { status, reason: stringAt(found, "reason") ?? "", message: stringAt(found, "message") ?? "" };
}

function conditionOf(
  type: ConditionType,
  condition: Condition,
  { live, generation, time }: { readonly live: KubeObject; readonly generation: number; readonly time: string },
): Record<string, unknown> {
  const before = listAt(live, "status", "conditions").find((one) => isObject(one) && one["type"] === type);
  const since = stringAt(before, "lastTransitionTime");
  const kept = at(before, "status") === condition.status && since !== undefined ? since : time;
  const { status, reason, message } = condition;
  return { type, status, observedGeneration: generation, lastTransitionTime: kept, reason, message: clip(message) };
}

/** By name, as the old tool's status had them; what went wrong comes first when there are too many. */
function shown(workloads: readonly WorkloadResult[]): Record<string, unknown> {
  const order = { Failed: 0, Pending: 1, Succeeded: 2 };
  const first = workloads.toSorted((a, b) => order[a.state] - order[b.state] || (a.name < b.name ? -1 : 1));
  return Object.fromEntries(
    first
      .slice(0, MOST_RESULTS)
      .map(({ name, state, reason }) => [
        name,
        defined({ state, reason: reason === undefined ? undefined : clip(reason) }),
      ]),
  );
}

function clip(text: string): string {
  // Half a character would come back from the server as another one, and be written again and again.
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE).replace(/[\uD800-\uDBFF]$/u, "")}…` : text;
}

function defined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Equal as JSON, whatever the order of keys. */
function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i]));
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/** When a condition took its status, epoch milliseconds; `undefined` when it does not say. */
export function conditionSince(live: KubeObject, type: ConditionType): number | undefined {
  const found = listAt(live, "status", "conditions").find((one) => isObject(one) && one["type"] === type);
  const time = Date.parse(stringAt(found, "lastTransitionTime") ?? "");
  return Number.isNaN(time) ? undefined : time;
}
