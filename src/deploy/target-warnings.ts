import { workloadTitle } from "../domain/workload.ts";
import { deploymentTools, stuckReason, type Target } from "./live-workload.ts";
import type { EditChange, Plan } from "./plan.ts";

/** What may keep a filter from working on the chosen workloads although every write succeeds. */
export function targetWarnings(targets: readonly Target[], edits: readonly EditChange[]): Plan["warnings"] {
  const edited = new Set(edits.filter(({ action }) => action === "update").map(({ ref }) => ref.name));
  return targets.flatMap((target) => [
    ...(edited.has(target.workload.name) ? editWarnings(target) : []),
    ...sidecarWarnings(target),
  ]);
}

function editWarnings({ workload, live }: Target): Plan["warnings"] {
  const title = workloadTitle(workload);
  const warnings: Plan["warnings"][number][] = [];
  const stuck = stuckReason(live);
  if (stuck !== undefined) {
    warnings.push({ message: `${title} will not replace its pods by itself: ${stuck.why}`, hint: stuck.hint });
  }
  const tools = deploymentTools(live);
  if (tools.length > 0) {
    const message = `${title} is deployed by ${tools.join(" and ")}, which may take the change out again`;
    warnings.push({ message, hint: "put it into the manifests there: wasme deploy istio … -f MANIFEST prints them" });
  }
  return warnings;
}

function sidecarWarnings({ workload }: Target): Plan["warnings"] {
  const inject = workload.podLabels[INJECT] ?? workload.podAnnotations[INJECT];
  if (inject !== "false") return [];
  return [
    { message: `the pods of ${workloadTitle(workload)} have ${INJECT}=false: without a sidecar no filter runs there` },
  ];
}

const INJECT = "sidecar.istio.io/inject";
