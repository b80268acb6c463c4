import { WasmeError } from "../domain/errors.ts";
import { workloadTitle } from "../domain/workload.ts";
import { applyPlan, type ApplyResult } from "../deploy/apply-plan.ts";
import type { Target } from "../deploy/live-workload.ts";
import { type DeployPlan, planDeploy } from "../deploy/plan-deploy.ts";
import type { Step, Wait } from "../deploy/plan.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { FilterDeploymentSpec } from "../domain/filter-deployment.ts";
import type { ObjectRef } from "../kube/port.ts";
import { filterObjectName } from "../mesh/names.ts";
import { FILTER_KINDS } from "./cluster-view.ts";
import { adviceOf, type WorkloadResult } from "./conditions.ts";
import { requestOf } from "./desired.ts";
import { ownSteps } from "./own-steps.ts";
import { failureOf } from "./judgement.ts";
import type { Work } from "./work.ts";

/** What became of the workloads. */
export interface Brought {
  readonly results: readonly WorkloadResult[];
  /** Every object that is to be there. */
  readonly wanted: readonly ObjectRef[];
  readonly plan?: DeployPlan | undefined;
  /** The wait that is not over. */
  readonly awaiting?: { readonly step: Wait; readonly message: string };
  /** What kept workloads from getting the filter, the first of each kind of failure. */
  readonly failures: readonly WasmeError[];
}

/** A filter that is verified, and where it is to go. */
export interface Verified {
  readonly spec: FilterDeploymentSpec;
  readonly image: ResolvedImage;
  readonly targets: readonly Target[];
}

/**
 * Plans and applies for all workloads at once; when one of them stands in the way, for each by itself, so that it does
 * not hold up the others. Throws what concerns all of them: a server that cannot be reached, a conflict to try again.
 */
export async function bringAbout(work: Work, verified: Verified): Promise<Brought> {
  try {
    return await bringTo(work, verified);
  } catch (error) {
    if (!concernsOne(error) || verified.targets.length < 2) throw error;
  }
  const parts: Brought[] = [];
  for (const target of verified.targets) parts.push(await bringToOne(work, verified, target));
  return {
    results: parts.flatMap(({ results }) => results),
    wanted: parts.flatMap(({ wanted }) => wanted),
    plan: parts.find(({ plan }) => plan !== undefined)?.plan,
    ...firstAwaiting(parts),
    failures: parts.flatMap(({ failures }) => failures),
  };
}

async function bringToOne(work: Work, verified: Verified, target: Target): Promise<Brought> {
  try {
    return await bringTo(work, { ...verified, targets: [target] }, [target.workload.name]);
  } catch (error) {
    if (!(error instanceof WasmeError) || !concernsOne(error)) throw error;
    const { name } = target.workload;
    // What it has of the filter stays: it was refused the new one, not the old.
    const object = filterObjectName(name, verified.spec.id);
    return {
      results: [{ name, state: "Failed", reason: adviceOf(error) }],
      wanted: FILTER_KINDS.map((kind) => ({ kind, name: object, namespace: work.namespace })),
      failures: [error],
    };
  }
}

async function bringTo(work: Work, { spec, image, targets }: Verified, names?: readonly string[]): Promise<Brought> {
  const { cluster, deps, live } = work;
  const request = requestOf(live, spec, { cache: deps.settings.cache, ...(names === undefined ? {} : { names }) });
  const plan = await planDeploy(cluster, request, image);
  const steps = ownSteps(plan.steps, deps.settings.cache);
  const applied = await applyPlan(cluster, { steps }, { force: true, waits: "stop" });
  const wanted = plan.steps.flatMap((step) => (isFilter(step) ? [step.ref] : []));
  return {
    results: targets.map((target) => resultOf(target, { spec, steps, applied })),
    wanted,
    plan,
    ...(applied.awaiting === undefined ? {} : { awaiting: applied.awaiting }),
    failures: [],
  };
}

function isFilter(step: Step): step is Extract<Step, { readonly type: "apply" }> {
  return step.type === "apply" && FILTER_KINDS.includes(step.ref.kind);
}

function resultOf(
  { workload }: Target,
  run: { readonly spec: FilterDeploymentSpec; readonly steps: readonly Step[]; readonly applied: ApplyResult },
): WorkloadResult {
  const { name } = workload;
  const { spec, steps, applied } = run;
  const object = filterObjectName(name, spec.id);
  const step = steps.find((one) => isFilter(one) && one.ref.name === object);
  const done = applied.outcomes.some(({ ref }) => FILTER_KINDS.includes(ref.kind) && ref.name === object);
  if (done || (step?.type === "apply" && step.action === "unchanged")) return { name, state: "Succeeded" };
  const why = applied.awaiting?.message ?? `nothing is planned for ${workloadTitle(workload)}`;
  return { name, state: "Pending", reason: why };
}

/** True for what is wrong with one workload or its object, and not with the cluster, the filter or our rights. */
function concernsOne(error: unknown): boolean {
  if (!(error instanceof WasmeError) || ALL.has(error.code)) return false;
  return !failureOf(error).soon || error.code === "KUBE_INVALID" || error.code === "KUBE_DENIED";
}

const ALL: ReadonlySet<string> = new Set([
  "CACHE_NOT_INSTALLED",
  "VIA_UNSUITABLE",
  "DELIVERY_UNSUITABLE",
  "KUBE_KIND_NOT_SERVED",
  "ISTIO_NOT_INSTALLED",
]);

function firstAwaiting(parts: readonly Brought[]): Pick<Brought, "awaiting"> {
  const found = parts.find(({ awaiting }) => awaiting !== undefined)?.awaiting;
  return found === undefined ? {} : { awaiting: found };
}
