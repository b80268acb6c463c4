import { parseFilterDeployment } from "../domain/filter-deployment.ts";
import type { WorkloadKind } from "../domain/workload.ts";
import { at, type KubeObject, stringAt } from "../kube/objects.ts";
import { FILTER_DEPLOYMENT_LABEL, WORKLOAD_LABEL, workloadLabel } from "../mesh/names.ts";
import type { OurObject } from "./our-objects.ts";
import type { Via } from "./request.ts";
import { goingStep } from "./status-namespace.ts";
import { goneStep, operatorStep, ownFilterId, type Wishes } from "./status-operator.ts";
import { type FilterStatus, firstTrouble, stateOf, type StatusStep, unseen } from "./status-step.ts";
import { deniedTo, type Survey } from "./status-survey.ts";
import { VIA_KIND } from "./via-kind.ts";

/** Which FilterDeployments are looked at. */
export interface AskedWishes {
  readonly id: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly kind: WorkloadKind | undefined;
}

/** The Istio objects there are. */
export interface SeenObjects {
  readonly ours: readonly OurObject[];
  /** Kinds that may not be listed: objects may be missing. */
  readonly denied: readonly Via[];
  readonly spaces: Survey["spaces"];
}

/**
 * What FilterDeployments ask for and no object is there for: not yet, or no more, whatever their status says. With labels
 * nothing: what is not there has no workload whose labels could be looked at.
 */
export function unmade(
  objects: SeenObjects,
  wishes: Wishes,
  { id, labels, kind }: AskedWishes,
): readonly FilterStatus[] {
  if ("denied" in wishes.all || Object.keys(labels).length > 0) return [];
  return wishes.all.seen
    .filter((wish) => (id === undefined || ownFilterId(wish) === id) && (kind === undefined || kindOf(wish) === kind))
    .flatMap((wish) => unmadeOf(wish, objects, wishes));
}

function unmadeOf(wish: KubeObject, { ours, denied, spaces }: SeenObjects, wishes: Wishes): readonly FilterStatus[] {
  const { name, namespace = "" } = wish.metadata;
  const made = ours.filter(
    ({ object }) =>
      object.metadata.namespace === namespace &&
      object.metadata.labels?.[FILTER_DEPLOYMENT_LABEL] === workloadLabel(name),
  );
  const space = spaces.get(namespace);
  const going = space === undefined ? undefined : goingStep(space.live, wishes);
  const told = [going, operatorStep(wish, wishes)].filter((step) => step !== undefined);
  const facts = { id: ownFilterId(wish), namespace, image: stringAt(wish, "spec", "filter", "image") };
  const row = (workload: string | undefined, more: readonly StatusStep[]): FilterStatus => {
    const steps = [...told, ...more];
    return { ...NOTHING_MADE, ...facts, workload, filterDeployment: name, state: stateOf(steps), steps };
  };
  if (firstTrouble(told) !== undefined) return made.length === 0 ? [row(undefined, [])] : [];
  const has = new Set(made.map(({ object }) => object.metadata.labels?.[WORKLOAD_LABEL]));
  const gone = carriedOut(wish).filter((workload) => !has.has(workloadLabel(workload)));
  const type = (kindOf(wish) ?? "Deployment").toLowerCase();
  const none = made.length === 0 ? [undefined] : [];
  const [hidden] = denied;
  return (gone.length === 0 ? none : gone.map((workload) => `${type}/${workload}`)).map((title) => {
    if (hidden === undefined) return row(title, [goneStep(wish, title, wishes)]);
    return row(title, [unseen("object", deniedTo("list", VIA_KIND[hidden], namespace))]);
  });
}

/** The kind of workload a FilterDeployment is for. */
function kindOf(wish: KubeObject): WorkloadKind | undefined {
  return parseFilterDeployment(wish).spec?.kind;
}

/** The workloads that a FilterDeployment says have the filter. */
function carriedOut(wish: KubeObject): readonly string[] {
  return Object.entries(at(wish, "status", "workloads") ?? {}).flatMap(([name, told]) =>
    stringAt(told, "state") === "Succeeded" ? [name] : [],
  );
}

const NOTHING_MADE = {
  object: undefined,
  via: undefined,
  delivery: undefined,
  moduleDigest: undefined,
  nodes: [],
  proxies: [],
} as const;
