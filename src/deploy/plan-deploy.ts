import { WasmeError } from "../domain/errors.ts";
import type { Filter } from "../domain/filter.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { type Workload, workloadTitle } from "../domain/workload.ts";
import { Kinds, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { examineImage } from "./check-image.ts";
import { chooseVia, VIA_KIND, type ViaChoice } from "./choose-via.ts";
import { filterObject, type FilterSettings } from "./filter-object.ts";
import { isGateway, placeOf, type Target } from "./live-workload.ts";
import type { ApplyChange, EditChange, Plan, Step } from "./plan.ts";
import { cacheAccess, planCache, writeAccess } from "./plan-cache.ts";
import { servedVias } from "./our-objects.ts";
import { planReplaced } from "./plan-replaced.ts";
import { planTidying } from "./plan-tidying.ts";
import { overlapWarnings } from "./overlap-warnings.ts";
import { targetWarnings } from "./target-warnings.ts";
import { type ClusterDeps, type DeployRequest, type Via, type WorkloadQuery } from "./request.ts";
import { refuseTaken } from "./refuse-taken.ts";
import { deniedAsUndefined, requireAccess } from "./require-access.ts";
import { selectWorkloads } from "./select-workloads.ts";
import { settleApply, settleEdit } from "./settle-change.ts";

/** A plan to deploy, and what it settled. */
export interface DeployPlan extends Plan {
  readonly via: Via;
  readonly filter: Filter;
  readonly namespace: string;
  readonly targets: readonly Target[];
}

/**
 * Looks at the live cluster and works out, change by change, what deploying takes. Changes nothing: all writes are
 * tried as dry runs. Throws what stands in the way: `NAMESPACE_NOT_FOUND`, `WORKLOAD_NOT_FOUND`, `VIA_UNSUITABLE`,
 * `KUBE_KIND_NOT_SERVED`, `KUBE_FORBIDDEN`, `KUBE_INVALID`, `KUBE_FIELD_CONFLICT`, `ANNOTATION_INVALID` and others.
 */
export async function planDeploy(deps: ClusterDeps, request: DeployRequest, image: ResolvedImage): Promise<DeployPlan> {
  const { port, signal } = deps;
  const namespace = request.workloads.namespace ?? port.namespace;
  const labels = await readNamespace(deps, namespace);
  const targets = await selectWorkloads(port, { ...request.workloads, namespace }, signal);
  const findings = examineImage(image, request);
  const served = await servedVias(deps);
  const choice = chooseVia({
    ...request,
    requested: request.via,
    image,
    served,
    noFiles: filesObstacle(request, targets, { namespace, labels }),
  });
  const filter = filterOf(request, findings.rootId);
  const settings: FilterSettings = { ...request, via: choice.via, filter, image };
  const wanted = targets.map(({ workload }) => filterObject(workload, settings));
  await requireAccess(port, baseAccess(request, choice.via, { namespace, wanted }), signal);
  const way = choice.via === "envoyfilter" ? await fileSteps(deps, request, { image, targets }) : NO_FILES;
  const objects = await applyAll(deps, wanted, request.forceConflicts, choice.via);
  const chosen = targets.map(({ workload }) => workload);
  refuseTaken(objects, chosen, request.id);
  const replaced = await planReplaced(deps, { id: request.id, via: choice.via, namespace, targets, served });
  const tidying = await planTidying(deps, { request, namespace, targets, objects, replaced });
  const neighbours = await neighboursOf(deps, { ...request.workloads, namespace }, targets);
  const restarts = [...way.edits, ...tidying.edits].some(({ action }) => action === "update");
  const notes = [...way.notes, ...(restarts ? [] : ["no pod restarts"]), ...tidying.notes];
  return {
    via: choice.via,
    filter,
    namespace,
    targets,
    steps: [...way.before, ...objects, ...way.after, ...replaced, ...tidying.steps],
    notes: [...headNotes(request, filter, { image, choice }), ...findings.notes, ...notes],
    warnings: [
      ...overlapWarnings(chosen, neighbours, choice.via),
      ...targetWarnings(targets, [...way.edits, ...tidying.edits]),
      ...registryWarnings(choice.via, image),
    ],
  };
}

/** The filter a request describes, with the root id that was settled. */
export function filterOf(request: DeployRequest, rootId: string): Filter {
  const { id, patchContext, priority, failurePolicy, phase } = request;
  const config = request.config === "" ? undefined : request.config;
  return { id, rootId, config, patchContext, priority, failurePolicy, phase };
}

/** The plan's first lines: what goes where, which bytes exactly, and by which kind of object. */
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
  ];
}

/** All workloads of the kind in the namespace, those chosen among them. */
async function neighboursOf(
  deps: ClusterDeps,
  query: WorkloadQuery & { readonly namespace: string },
  targets: readonly Target[],
): Promise<readonly Workload[]> {
  const everything = Object.keys(query.labels).length === 0 && query.names === undefined;
  const wider = { ...query, labels: {}, names: undefined };
  const all = everything ? targets : await selectWorkloads(deps.port, wider, deps.signal);
  return all.map(({ workload }) => workload);
}

/** The namespace's labels; `undefined` when we may not read them. */
async function readNamespace(deps: ClusterDeps, name: string): Promise<Readonly<Record<string, string>> | undefined> {
  // A list of none is told from a refusal.
  const found = await deniedAsUndefined(
    deps.port.get({ kind: Kinds.namespace, name }, deps.signal).then((live) => [live]),
  );
  if (found === undefined) {
    deps.events({
      type: "debug",
      message: `not allowed to read namespace ${name}: its pod security labels are unknown`,
    });
    return undefined;
  }
  const [live] = found;
  if (live !== undefined) return live.metadata.labels ?? {};
  throw new WasmeError("not-found", "NAMESPACE_NOT_FOUND", `there is no namespace ${JSON.stringify(name)}`, {
    hint: "kubectl get namespaces; -n picks another one",
  });
}

/** Why a file on the node cannot get into these pods, if so. */
function filesObstacle(
  request: DeployRequest,
  targets: readonly Target[],
  space: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> | undefined },
): string | undefined {
  const level = space.labels?.["pod-security.kubernetes.io/enforce"];
  if (level === "baseline" || level === "restricted") {
    return `namespace ${JSON.stringify(space.namespace)} enforces pod security ${JSON.stringify(level)}, which forbids hostPath volumes`;
  }
  if (request.patchContext !== "gateway") return undefined;
  const other = targets.find(({ live }) => !isGateway(live));
  return other === undefined
    ? undefined
    : `${workloadTitle(other.workload)} has no container istio-proxy to mount the module directory into`;
}

/** What a deploy always needs to be allowed, whatever it finds. */
function baseAccess(
  request: DeployRequest,
  via: Via,
  found: { readonly namespace: string; readonly wanted: readonly KubeObject[] },
): readonly Access[] {
  const [object] = found.wanted;
  const writes =
    object === undefined ? [] : writeAccess(VIA_KIND[via], object).map(({ name: _name, ...access }) => access);
  if (via !== "envoyfilter") return writes;
  const workload = { kind: workloadResource(request.workloads.kind), namespace: found.namespace };
  const verbs = ["get", "watch", "patch"].map((verb): Access => ({ verb, ...workload }));
  return [...verbs, ...writes, ...cacheAccess(request.cache)];
}

interface FileSteps {
  readonly before: readonly Step[];
  readonly after: readonly Step[];
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

const STAYS = "is kept while this filter needs it";
const NO_FILES: FileSteps = { before: [], after: [], edits: [], notes: [] };

/** Cache, announcement, module on the nodes, mounts, roll-out: all that comes before the EnvoyFilter. */
async function fileSteps(
  deps: ClusterDeps,
  request: DeployRequest,
  found: { readonly image: ResolvedImage; readonly targets: readonly Target[] },
): Promise<FileSteps> {
  const { cache, timeoutMs } = request;
  const { image, targets } = found;
  const edits: EditChange[] = [];
  const remarks: string[] = [];
  // Broken annotations are found before the cache is looked at: they are the user's to correct.
  for (const target of targets) {
    const settled = await settleEdit(deps, target, { place: placeOf(target.live), direction: "mount" });
    edits.push(settled.change);
    remarks.push(...settled.remarks);
  }
  const planned = await planCache(deps, cache, image, request.forceConflicts);
  const workloads = edits.map((change) => change.ref);
  const { namespace, name } = cache;
  const moduleDigest = image.moduleDigest;
  return {
    before: [
      ...planned.objects,
      planned.announce,
      { type: "wait-module", moduleDigest, cache: { namespace, name }, timeoutMs: cache.timeoutMs },
      ...edits,
      { type: "wait-rollout", workloads, timeoutMs },
    ],
    // Said again at the end: an undeploy may have taken the entry or the mount out while we rolled out.
    after: [planned.announce, ...edits].map((change) => ({ ...change, action: "unchanged", reason: STAYS }) as const),
    edits,
    notes: [...planned.notes, ...remarks],
  };
}

async function applyAll(
  deps: ClusterDeps,
  objects: readonly KubeObject[],
  force: boolean,
  via: Via,
): Promise<readonly ApplyChange[]> {
  const changes: ApplyChange[] = [];
  for (const object of objects) {
    changes.push(await settleApply(deps, { kind: VIA_KIND[via], object, reason: REASON[via], force }));
  }
  return changes;
}

const REASON: Readonly<Record<Via, string>> = {
  envoyfilter: "puts the filter before the router",
  wasmplugin: "makes the proxies fetch and run the filter",
  trafficextension: "makes the proxies fetch and run the filter",
};

function registryWarnings(via: Via, image: ResolvedImage): Plan["warnings"] {
  const { host } = image.reference;
  if (via === "envoyfilter" || !LOOPBACK.test(host)) return [];
  const message = `the proxies will pull from ${host}, which inside a pod is the pod itself`;
  return [{ message, hint: "push the image to a registry the cluster reaches" }];
}

const LOOPBACK = /^(?:localhost|127\.|\[::1\])/u;
