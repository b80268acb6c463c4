import type { Delivery } from "../domain/delivery.ts";
import type { Filter } from "../domain/filter.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { resourceName } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access, ServerVersion } from "../kube/port.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { examineImage } from "./check-image.ts";
import { says as saysSo, speakerOf } from "./cache-list.ts";
import { betterWay, type CurrentWay, isUnreadable } from "./choose-delivery.ts";
import type { ViaChoice, ViaQuestion } from "./choose-via.ts";
import { chooseWay } from "./choose-way.ts";
import { isNamedBy } from "./filter-deployments.ts";
import { filterObject } from "./filter-object.ts";
import type { Target } from "./live-workload.ts";
import { type CacheLook, lookAtCache } from "./look-at-cache.ts";
import {
  deliveryOf,
  type FilterObjects,
  isOfFilter,
  objectKey,
  objectsNamed,
  oursAmong,
  readFilterObjects,
  servedVias,
  workloadKey,
} from "./our-objects.ts";
import { overlapWarnings } from "./overlap-warnings.ts";
import type { EditChange, Plan } from "./plan.ts";
import { writeAccess } from "./plan-cache.ts";
import { planReplaced } from "./plan-replaced.ts";
import { planTidying } from "./plan-tidying.ts";
import { planWay, wayAccess, type WayRequest } from "./plan-way.ts";
import { filesObstacle, mountObstacle, readNamespace } from "./read-namespace.ts";
import { refuseTaken } from "./refuse-taken.ts";
import type { ClusterDeps, DeployRequest, Via } from "./request.ts";
import { requireAccess } from "./require-access.ts";
import { says } from "./same-object.ts";
import { type Selected, selectWorkloads } from "./select-workloads.ts";
import { findObjects, settleObjects } from "./settle-objects.ts";
import { targetWarnings } from "./target-warnings.ts";
import { VIA_KIND } from "./via-kind.ts";

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
  const unseen = request.owner === undefined ? [] : [...unseenLabels(place, delivery), ...unseenCache(place)];
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

type Remarks = Pick<Plan, "notes" | "warnings">;

const NO_REMARKS: Remarks = { notes: [], warnings: [] };

/** What a reader of the plan is told. */
function remarksOn(
  request: DeployRequest,
  place: Surroundings,
  plan: {
    readonly filter: Filter;
    readonly image: ResolvedImage;
    readonly choice: ViaChoice;
    readonly question: ViaQuestion;
    readonly edits: readonly EditChange[];
    /** On the image, on the way, on what goes. */
    readonly notes: readonly [readonly string[], readonly string[], readonly string[]];
  },
): Remarks {
  const { filter, image, choice, question, edits } = plan;
  const { targets, all } = place;
  const { delivery } = choice;
  const [onImage, onWay, onTidying] = plan.notes;
  const restarts = edits.some(({ action }) => action === "update");
  const better = betterWay({ delivery, reason: "" }, question) ?? [];
  const chosen = targets.map(({ workload }) => workload);
  return {
    notes: [
      ...headNotes(request, filter, { image, choice }),
      ...onImage,
      ...[better].flat(),
      ...onWay,
      ...(restarts ? [] : ["no pod restarts"]),
      ...onTidying,
    ],
    warnings: [
      ...overlapWarnings(chosen, all(), delivery),
      ...targetWarnings(targets, edits),
      ...registryWarnings(delivery, image),
      ...privateWarnings(delivery, question),
      ...unseenLabels(place, delivery),
      ...unseenKinds(request.id, place, choice.via),
    ],
  };
}

/** The same filter may be there by another kind, and would run twice. */
function unseenKinds(id: string, { found, namespace }: Surroundings, via: Via): Plan["warnings"] {
  const hidden = found.denied.filter((kind) => kind !== via).map((kind) => resourceName(VIA_KIND[kind]));
  if (hidden.length === 0) return [];
  const right = `not allowed to list ${hidden.join(" and ")} in namespace ${JSON.stringify(namespace)}`;
  return [{ message: `${right}: if filter ${id} is there by such an object, it runs twice` }];
}

/** Whether pods with a directory of the node are let in stands in labels that we may not see. */
function unseenLabels({ labels, namespace }: Surroundings, delivery: Delivery): Plan["warnings"] {
  if (labels !== undefined || delivery !== "cache-file") return [];
  const right = `not allowed to get namespaces ${JSON.stringify(namespace)}`;
  return [{ message: `${right}: its pod security may forbid hostPath volumes, and then no new pod starts` }];
}

/** What was refused may be why another way is taken than the one that is wanted. */
function unseenCache({ cache }: Surroundings): Plan["warnings"] {
  const { unseen } = cache.sight;
  return unseen === undefined ? [] : [{ message: `${unseen}: the node cache counts as not there` }];
}

/** The filter a request describes, with the root id that was settled. */
export function filterOf(request: DeployRequest, rootId: string): Filter {
  const { id, patchContext, priority, failurePolicy, phase } = request;
  const config = request.config === "" ? undefined : request.config;
  return { id, rootId, config, patchContext, priority, failurePolicy, phase };
}

/** The plan's first lines: what goes where, which bytes exactly, by which kind of object, and how they get there. */
export function headNotes(
  request: DeployRequest,
  filter: Filter,
  settled: { readonly image: ResolvedImage; readonly choice: ViaChoice },
): readonly string[] {
  const { image, choice } = settled;
  const root = filter.rootId === "" ? "" : ` (root id ${filter.rootId})`;
  return [
    `filter ${request.id}${root}: ${formatReference(withDigest(image.reference, image.manifestDigest))}, found in the ${image.source === "store" ? "local store" : "registry"}`,
    `module ${image.moduleDigest}`,
    `by ${VIA_KIND[choice.via].kind}: ${choice.reason}`,
    `delivery ${choice.delivery}: ${choice.deliveryReason}`,
  ];
}

/** What is there before anything is decided. */
interface Surroundings extends Selected {
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly served: ReadonlySet<Via>;
  readonly found: FilterObjects;
  readonly cache: CacheLook;
  readonly kubernetes: ServerVersion;
  readonly namespace: string;
}

async function lookAround(
  deps: ClusterDeps,
  what: { readonly request: DeployRequest; readonly image: ResolvedImage; readonly namespace: string },
): Promise<Surroundings> {
  const { request, image, namespace } = what;
  const { port, signal } = deps;
  const labels = await readNamespace(deps, namespace);
  const selected = await selectWorkloads(port, { ...request.workloads, namespace }, signal);
  const served = await servedVias(deps);
  const [found, cache, kubernetes] = await Promise.all([
    readFilterObjects(deps, served, namespace),
    lookAtCache(deps, request.cache, image),
    port.version(signal),
  ]);
  return { labels, ...selected, served, found, cache, kubernetes, namespace };
}

function questionOf(request: DeployRequest, image: ResolvedImage, place: Surroundings): ViaQuestion {
  const { namespace, labels, targets, served, cache, kubernetes } = place;
  const notice = { key: cacheEntry(image).key, from: speakerOf(namespace, request) };
  // Who has begun to deploy by the cache and goes on is not sent elsewhere by what stopped it.
  const begun = cache.configMap !== undefined && saysSo(cache.configMap, "coming", notice);
  return {
    ...request,
    requested: request.via,
    image,
    served,
    cache: begun ? { ...cache.sight, failure: undefined } : cache.sight,
    kubernetes,
    current: currentWay(request.id, place),
    noFiles: filesObstacle({ namespace, labels }),
    noMount: mountObstacle(request.patchContext, targets),
  };
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

/** How the filter gets to these workloads now, when all of them get it in the same way. */
function currentWay(id: string, { found, targets }: Surroundings): CurrentWay | undefined {
  const keys = new Set(targets.map(({ workload }) => workloadKey(workload)));
  const there = oursAmong(found).filter((one) => isOfFilter(one, id) && keys.has(objectKey(one.object)));
  const ways = new Map(
    there.map(({ via, object }) => [`${via} ${deliveryOf(object)}`, { via, delivery: deliveryOf(object) }]),
  );
  const [way] = ways.values();
  return ways.size === 1 ? way : undefined;
}

/** What writing the objects needs to be allowed, whatever their names are. */
function objectAccess(via: Via, wanted: readonly KubeObject[]): readonly Access[] {
  const [object] = wanted;
  if (object === undefined) return [];
  return writeAccess(VIA_KIND[via], object).map(({ name: _name, ...access }) => access);
}

function registryWarnings(delivery: Delivery, image: ResolvedImage): Plan["warnings"] {
  const { host } = image.reference;
  if (!LOOPBACK.test(host)) return [];
  const cache = "the node cache";
  const who = { registry: "the proxies", "cache-http": cache, "cache-file": cache, "image-volume": "the kubelets" }[
    delivery
  ];
  const message = `${who} will pull from ${host}, which is another machine there than it is here`;
  return [{ message, hint: "push the image to a registry the cluster reaches" }];
}

/** Asked for, or as it is now: the proxies may have credentials that nobody sees. */
function privateWarnings(delivery: Delivery, question: ViaQuestion): Plan["warnings"] {
  if (delivery !== "registry" || !isUnreadable(question)) return [];
  const message = `${question.image?.reference.host ?? "the registry"} wants credentials for this image: a proxy without them refuses all requests, or goes on without the filter`;
  return [{ message, hint: "name a Secret of the workloads' namespace with --pull-secret" }];
}

const LOOPBACK = /^(?:localhost|127\.|\[::1\])/u;
