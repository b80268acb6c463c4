import type { Delivery } from "../domain/delivery.ts";
import type { Filter } from "../domain/filter.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { examineImage } from "./check-image.ts";
import { chooseWay } from "./choose-way.ts";
import { isNamedBy } from "./filter-deployments.ts";
import { filterObject } from "./filter-object.ts";
import type { Target } from "./live-workload.ts";
import { type FilterObjects, objectsNamed, oursAmong } from "./our-objects.ts";
import type { Plan } from "./plan.ts";
import { writeAccess } from "./plan-cache.ts";
import { planReplaced } from "./plan-replaced.ts";
import { planTidying } from "./plan-tidying.ts";
import { planWay, wayAccess, type WayRequest } from "./plan-way.ts";
import { refuseTaken } from "./refuse-taken.ts";
import type { ClusterDeps, DeployRequest, Via } from "./request.ts";
import { requireAccess } from "./require-access.ts";
import { says } from "./same-object.ts";
import { findObjects, settleObjects } from "./settle-objects.ts";
import { VIA_KIND } from "./via-kind.ts";
import { type Remarks, remarksOn, unseenWarnings } from "./deploy-remarks.ts";
import { lookAround, questionOf } from "./look-around.ts";

/** A plan to deploy, and what it settled. */
export interface DeployPlan extends Plan {
  readonly via: Via;
  readonly delivery: Delivery;
  readonly filter: Filter;
  readonly namespace: string;
  readonly targets: readonly Target[];
}

/**
 * Looks at the live cluster and works out, change by change, what deploying takes. Changes nothing: all writes are
 * tried as dry runs. Throws what stands in the way: `NAMESPACE_NOT_FOUND`, `WORKLOAD_NOT_FOUND`, `VIA_UNSUITABLE`,
 * `KUBE_KIND_NOT_SERVED`, `KUBE_FORBIDDEN`, `KUBE_INVALID`, `KUBE_FIELD_CONFLICT`, `ANNOTATION_INVALID` and others.
 *
 * The order has no window: nothing names a module to a proxy before the proxy can get it (the way), and nothing is taken
 * away before nobody asks for it any more (what is replaced, then what is tidied).
 */
export async function planDeploy(deps: ClusterDeps, request: DeployRequest, image: ResolvedImage): Promise<DeployPlan> {
  const { port } = deps;
  const namespace = request.workloads.namespace ?? port.namespace;
  const place = await lookAround(deps, { request, image, namespace });
  const { targets, found, cache, kubernetes } = place;
  const findings = examineImage(image, request);
  const question = questionOf(request, image, place);
  const choice = chooseWay(request, question);
  const { via, delivery } = choice;
  // Nobody reads a plan behind a FilterDeployment.
  const unseen = request.owner === undefined ? [] : unseenWarnings(place, delivery);
  for (const warning of unseen) deps.events({ type: "warning", ...warning });
  const filter = filterOf(request, findings.rootId);
  const wanted = targets.map(({ workload }) => filterObject(workload, { ...request, via, delivery, filter, image }));
  const need = await needOf(deps, { request, image, namespace, found, via, wanted });
  const way: WayRequest = { request, delivery, namespace, image, targets, cache, kubernetes, need, found };
  await requireAccess(deps, [...wayAccess(way), ...objectAccess(via, wanted)]);
  const there = await findObjects(deps, wanted, { found, via });
  const chosen = targets.map(({ workload }) => workload);
  refuseTaken(there, chosen, { ...request, via });
  const steps = await planWay(deps, way);
  const objects = await settleObjects(deps, there, {
    via,
    force: request.forceConflicts,
    all: request.dryRun !== undefined,
  });
  const replaced = await planReplaced(deps, { ...request, via, namespace, targets }, oursAmong(found));
  const tidying = await planTidying(deps, { request, namespace, targets, cache, objects, replaced, found });
  const settled = {
    filter,
    image,
    choice,
    question,
    edits: [...steps.edits, ...tidying.edits],
    notes: [findings.notes, steps.notes, tidying.notes],
  } as const;
  return {
    via,
    delivery,
    filter,
    namespace,
    targets,
    steps: [...steps.before, ...tidying.marks, ...objects, ...steps.after, ...replaced, ...tidying.steps],
    // Behind a FilterDeployment nobody reads a plan, and among a thousand workloads these are most of the work.
    ...(request.owner === undefined ? remarksOn(request, place, settled) : NO_REMARKS),
  };
}

const NO_REMARKS: Remarks = { notes: [], warnings: [] };

/** The filter a request describes, with the root id that was settled. */
export function filterOf(request: DeployRequest, rootId: string): Filter {
  const { id, patchContext, priority, failurePolicy, phase } = request;
  const config = request.config === "" ? undefined : request.config;
  return { id, rootId, config, patchContext, priority, failurePolicy, phase };
}

/** How others can see that the image is needed before anything is applied, if they can. */
async function needOf(
  deps: ClusterDeps,
  deploy: {
    readonly request: DeployRequest;
    readonly image: ResolvedImage;
    readonly namespace: string;
    readonly found: FilterObjects;
    readonly via: Via;
    readonly wanted: readonly KubeObject[];
  },
): Promise<WayRequest["need"]> {
  const { request, image, namespace, found, via, wanted } = deploy;
  const there = objectsNamed(found.byVia.get(via) ?? [], wanted);
  const isThere = (object: KubeObject): boolean => {
    const live = there.get(object.metadata.name);
    return live !== undefined && live.metadata.deletionTimestamp === undefined && says(live, object);
  };
  if (wanted.every((object) => isThere(object))) return "seen";
  const { owner } = request;
  if (owner === undefined) return "told";
  return (await isNamedBy(deps, { name: owner.name, namespace }, cacheEntry(image).value)) ? "named" : "told";
}

/** What writing the objects needs to be allowed, whatever their names are. */
function objectAccess(via: Via, wanted: readonly KubeObject[]): readonly Access[] {
  const [object] = wanted;
  if (object === undefined) return [];
  return writeAccess(VIA_KIND[via], object).map(({ name: _name, ...access }) => access);
}
