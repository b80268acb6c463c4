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
import type { Outage } from "./cache-outage.ts";
import { FILTER_KINDS } from "./cluster-view.ts";
import { adviceOf, type WorkloadResult } from "./conditions.ts";
import { requestOf } from "./desired.ts";
import { listedAs } from "./listed-as.ts";
import { ownSteps } from "./own-steps.ts";
import { KEEPS } from "./judgement.ts";
import type { PullCredential } from "./pull-secret.ts";
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
  /** What the wait is when nothing is left to deploy. */
  readonly outage?: Outage | undefined;
}

/** A filter that is verified, and where it is to go. */
export interface Verified {
  readonly spec: FilterDeploymentSpec;
  readonly image: ResolvedImage;
  readonly targets: readonly Target[];
  /** What its pull secret holds; absent: it names none. */
  readonly pull: PullCredential | undefined;
  /** Nothing is made before this is settled: then the FilterDeployment stays until it is taken away again. */
  readonly held: Promise<unknown>;
}

/**
 * Plans and applies for all workloads at once; when one of them stands in the way, for each half by itself, down to that
 * one, so that it does not hold up the others. Throws what concerns all of them: a server that cannot be reached, a
 * conflict to try again.
 */
export async function bringAbout(work: Work, verified: Verified): Promise<Brought> {
  try {
    return await bringTo(work, verified);
  } catch (error) {
    if (!concernsOne(error) || verified.targets.length < 2) throw error;
    return await bringToHalves(work, verified);
  }
}

async function bringToHalves(work: Work, verified: Verified): Promise<Brought> {
  const { targets } = verified;
  const middle = Math.ceil(targets.length / 2);
  const first = await bringToSome(work, { ...verified, targets: targets.slice(0, middle) });
  const second = await bringToSome(work, { ...verified, targets: targets.slice(middle) });
  const parts = [first, second];
  const awaiting = parts.find((part) => part.awaiting !== undefined)?.awaiting;
  return {
    results: parts.flatMap(({ results }) => results),
    wanted: parts.flatMap(({ wanted }) => wanted),
    plan: parts.find(({ plan }) => plan !== undefined)?.plan,
    ...(awaiting === undefined ? {} : { awaiting }),
    failures: parts.flatMap(({ failures }) => failures),
  };
}

async function bringToSome(work: Work, verified: Verified): Promise<Brought> {
  const { targets, spec } = verified;
  const names = targets.map(({ workload }) => workload.name);
  try {
    return await bringTo(work, verified, names);
  } catch (error) {
    if (!(error instanceof WasmeError) || !concernsOne(error)) throw error;
    const [name, ...others] = names;
    if (name === undefined || others.length > 0) return await bringToHalves(work, verified);
    return {
      results: [{ name, state: "Failed", reason: adviceOf(error) }],
      // What it has of the filter stays: it was refused the new one, not the old.
      wanted: possibleObjects(name, spec.id).map((ref) => ({ ...ref, namespace: work.namespace })),
      failures: [error],
    };
  }
}

/** What a workload may have of a filter; nothing when its name leaves no room for an object's. */
function possibleObjects(workload: string, id: string): readonly ObjectRef[] {
  try {
    const name = filterObjectName(workload, id);
    return FILTER_KINDS.map((kind) => ({ kind, name }));
  } catch (error) {
    if (error instanceof WasmeError) return [];
    throw error;
  }
}

async function bringTo(work: Work, verified: Verified, names?: readonly string[]): Promise<Brought> {
  const { cluster, deps, live } = work;
  const { spec, image, targets, pull, held } = verified;
  const { cache } = deps.settings;
  const request = requestOf(live, spec, {
    cache,
    pull,
    listedAs: listedAs(work, image),
    ...(names === undefined ? {} : { names }),
  });
  const plan = await planDeploy(cluster, request, image);
  refuseUnread(verified, plan);
  const steps = ownSteps(work, plan.steps);
  await held;
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

/** With this delivery proxies read the Secret themselves, and what they cannot read they refuse every request for. */
function refuseUnread({ pull, spec }: Verified, { delivery }: DeployPlan): void {
  if (delivery !== "registry" || pull === undefined || pull.forProxies) return;
  const secret = `Secret ${spec.pullSecret ?? ""}`;
  const message = `with delivery registry the proxies read ${secret} themselves, and they take none but type kubernetes.io/dockerconfigjson`;
  throw new WasmeError("usage", "PULL_SECRET_UNUSABLE", message, {
    hint: "kubectl create secret docker-registry makes one; or install the node cache",
  });
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
  const isUpdate = step?.type === "apply" && step.before !== undefined;
  return { name, state: "Pending", reason: isUpdate ? `${why}; until then it ${KEEPS}` : why };
}

/** True for what is wrong with one workload or its object, and not with the cluster, the filter or our rights. */
function concernsOne(error: unknown): boolean {
  if (!(error instanceof WasmeError) || ALL.has(error.code)) return false;
  const { kind, code } = error;
  return kind === "usage" || kind === "incompatible" || code === "KUBE_INVALID" || code === "KUBE_DENIED";
}

const ALL: ReadonlySet<string> = new Set([
  "CACHE_NOT_INSTALLED",
  "CACHE_WITHOUT_FILES",
  "PULL_SECRET_UNUSABLE",
  "VIA_UNSUITABLE",
  "KUBE_KIND_NOT_SERVED",
  "ISTIO_NOT_INSTALLED",
]);
