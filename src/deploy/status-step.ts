import type { Delivery } from "../domain/delivery.ts";
import type { Via } from "./request.ts";

/**
 * What has to be so before a filter runs, in the order it comes about:
 * - `operator`: its FilterDeployment is carried out;
 * - `workload`: the workload is there, in a namespace that stays;
 * - `list`: the node cache's list names the image;
 * - `nodes`: the nodes have the module;
 * - `security`: the namespace lets the volume into pods;
 * - `template`: the pod template mounts the volume;
 * - `rollout`: the pods are those of that template, and have the volume;
 * - `object`: the Istio object is there, and says what it was made to say;
 * - `sidecars`: it selects pods, and they have a proxy;
 * - `proxies`: the proxies fetched the module and run it (asked for with `explain`).
 */
export type StepName =
  | "operator"
  | "workload"
  | "list"
  | "nodes"
  | "security"
  | "template"
  | "rollout"
  | "object"
  | "sidecars"
  | "proxies";

/** How far one step is. */
export interface StatusStep {
  readonly name: StepName;
  /** `waiting` gets better by itself, `failed` does not, `unknown` may not be seen. */
  readonly state: "ok" | "waiting" | "failed" | "unknown";
  /** What is the case. */
  readonly message: string;
  /** What to type or to change. */
  readonly fix?: string;
}

/** A node, and what it says of the module. */
export interface NodeState {
  readonly node: string;
  readonly state: "ready" | "waiting" | "failed";
  readonly message: string;
}

/** A pod, and what its proxy says; only with `explain`. */
export interface ProxyState {
  readonly pod: string;
  readonly state: StatusStep["state"];
  readonly message: string;
}

/** How one filter on one workload does. */
export interface FilterStatus {
  readonly id: string;
  readonly namespace: string;
  /** `deployment/web`; absent for a FilterDeployment that has made nothing yet. */
  readonly workload: string | undefined;
  /** `WasmPlugin/web-hello`. */
  readonly object: string | undefined;
  readonly via: Via | undefined;
  readonly delivery: Delivery | undefined;
  /** The image as pinned. */
  readonly image: string | undefined;
  /** Digest of the wasm bytes that is wanted. */
  readonly moduleDigest: string | undefined;
  /** Name of the FilterDeployment it is made for. */
  readonly filterDeployment: string | undefined;
  /** `on`: every step that may be seen is done. `off`: a step failed. */
  readonly state: "on" | "waiting" | "off";
  readonly steps: readonly StatusStep[];
  /** The nodes of its cache; empty without one. */
  readonly nodes: readonly NodeState[];
  readonly proxies: readonly ProxyState[];
}

/** The step that has to be looked after first; `undefined` when all is well, as far as may be seen. */
export function firstTrouble(steps: readonly StatusStep[]): StatusStep | undefined {
  return steps.find(({ state }) => state === "failed") ?? steps.find(({ state }) => state === "waiting");
}

/** `on`, `waiting` or `off`, by the steps. */
export function stateOf(steps: readonly StatusStep[]): FilterStatus["state"] {
  const trouble = firstTrouble(steps);
  if (trouble === undefined) return "on";
  return trouble.state === "failed" ? "off" : "waiting";
}

/** A step that is done. */
export function ok(name: StepName, message: string): StatusStep {
  return { name, state: "ok", message };
}

/** A step that is under way. */
export function waiting(name: StepName, message: string, fix?: string): StatusStep {
  return { name, state: "waiting", message, ...(fix === undefined ? {} : { fix }) };
}

/** A step that does not get better by itself. */
export function failed(name: StepName, message: string, fix: string): StatusStep {
  return { name, state: "failed", message, fix };
}

/** A step that may not be seen. */
export function unseen(name: StepName, denied: Denied): StatusStep {
  return { name, state: "unknown", message: denied.message, fix: denied.fix };
}

/** What we may not see, and how to check that. */
export interface Denied {
  readonly message: string;
  readonly fix: string;
}
