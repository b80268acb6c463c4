import { WasmeError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";
import type { PlacedFilter, Survey } from "./migrate-survey.ts";
import { type DeleteChange, refTo } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";

/** Who brings the old filters to today's form. */
export interface HandedOver {
  /** `migrate` itself. */
  readonly own: readonly PlacedFilter[];
  /** The operator, and it is not done yet: they stay. */
  readonly waiting: readonly PlacedFilter[];
  /** The operator, which has put its own objects in place: the old ones may go. */
  readonly done: readonly DeleteChange[];
  /** FilterDeployments no operator looks after. */
  readonly unattended: readonly KubeObject[];
}

/**
 * Leaves the filters of FilterDeployments to today's operator where it runs; elsewhere they are migrated like all
 * others. Throws `OLD_OPERATOR_RUNS` (usage): it would write its old objects again.
 */
export async function handOver(deps: ClusterDeps, survey: Survey): Promise<HandedOver> {
  const { filters, filterDeployments } = survey;
  await refuseOldOperator(deps, survey.cache.namespace);
  if (filterDeployments.length === 0) return { own: filters, waiting: [], done: [], unattended: [] };
  const runs = filterDeployments.some((one) => isAttended(one)) || (await operatorRuns(deps));
  if (!runs) return { own: filters, waiting: [], done: [], unattended: filterDeployments };
  const ownerOf = ({ old }: PlacedFilter): KubeObject | undefined =>
    filterDeployments.find(({ metadata }) => metadata.name === old.owner && metadata.namespace === old.namespace);
  const owned = filters.filter((filter) => ownerOf(filter) !== undefined);
  const ready = owned.filter((filter) => isReady(ownerOf(filter)));
  return {
    own: filters.filter((filter) => !owned.includes(filter)),
    waiting: owned.filter((filter) => !ready.includes(filter)),
    done: ready.map(({ old }): DeleteChange => {
      const ref = refTo(Kinds.envoyFilter, old.object);
      const reason = `the operator has put FilterDeployment ${old.owner ?? ""} in place`;
      return { type: "delete", action: "delete", ref, before: old.object, reason };
    }),
    unattended: [],
  };
}

/** Today's operator writes conditions and a number; the old one wrote neither. */
function isAttended(filterDeployment: KubeObject): boolean {
  return listAt(filterDeployment, "status", "conditions").length > 0;
}

function isReady(filterDeployment: KubeObject | undefined): boolean {
  const condition = listAt(filterDeployment, "status", "conditions").find((one) => stringAt(one, "type") === "Ready");
  const seen = numberAt(filterDeployment, ["status", "observedGeneration"]);
  const current = seen === numberAt(filterDeployment, ["metadata", "generation"]);
  return current && stringAt(condition, "status") === "True";
}

async function operatorRuns(deps: ClusterDeps): Promise<boolean> {
  const selection = { kind: Kinds.deployment, labelSelector: "app.kubernetes.io/name=wasme-operator" };
  const found = await deniedAsUndefined(deps.port.list(selection, deps.signal));
  return found?.items.some((one) => numberAt(one, ["status", "availableReplicas"]) > 0) === true;
}

/** `operator` alone is the old program's command; today's is `operator run`. */
async function refuseOldOperator(deps: ClusterDeps, namespace: string): Promise<void> {
  const found = await deniedAsUndefined(deps.port.list({ kind: Kinds.deployment, namespace }, deps.signal));
  const old = found?.items.find((one) => numberAt(one, ["spec", "replicas"], 1) > 0 && runsOldOperator(one));
  if (old === undefined) return;
  const { name } = old.metadata;
  throw new WasmeError(
    "usage",
    "OLD_OPERATOR_RUNS",
    `the old operator, deployment ${namespace}/${name}, still runs and would write its old objects again`,
    { hint: `kubectl delete deployment ${name} -n ${namespace}` },
  );
}

function runsOldOperator(deployment: KubeObject): boolean {
  return listAt(deployment, "spec", "template", "spec", "containers").some((container) => {
    if (!isObject(container)) return false;
    const args = listAt(container, "args");
    const old = args[0] === "operator" && args[1] !== "run" && args[1] !== "manifests";
    return old && (stringAt(container, "image") ?? "").includes("wasme");
  });
}
