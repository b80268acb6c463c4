import type { Delivery } from "../domain/delivery.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { Kinds, workloadResource } from "../kube/kinds.ts";
import type { Access, ServerVersion } from "../kube/port.ts";
import { stringMapAt } from "../kube/objects.ts";
import { MODULE_VOLUME } from "../mesh/module-path.ts";
import { imageVolume, type ModuleVolume } from "../mesh/module-volume.ts";
import { speakerOf } from "./cache-list.ts";
import { inParallel } from "./in-parallel.ts";
import { placeOf, type Target } from "./live-workload.ts";
import { listedElsewhere } from "./listed-elsewhere.ts";
import type { CacheLook } from "./look-at-cache.ts";
import type { FilterObjects } from "./our-objects.ts";
import type { AnnounceChange, EditChange, ModuleWait, PodSelection, SecretChange, Step } from "./plan.ts";
import { cacheAccess, type CacheWish, planCache } from "./plan-cache.ts";
import { planPullSecret, requirePullSecret } from "./plan-pull-secret.ts";
import type { ClusterDeps, DeployRequest } from "./request.ts";
import { settleEdit } from "./settle-change.ts";
import { volumeFor } from "./volume-for.ts";

/** All that gets a module to where the proxies find it. */
export interface WaySteps {
  /** Before any proxy is told of the module. */
  readonly before: readonly Step[];
  /** After: what somebody may have taken away meanwhile is put back. */
  readonly after: readonly Step[];
  /** The edits among them. */
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

/** What a way leads from and to. */
export interface WayRequest {
  readonly request: DeployRequest;
  readonly delivery: Delivery;
  readonly namespace: string;
  readonly image: ResolvedImage;
  readonly targets: readonly Target[];
  readonly cache: CacheLook;
  readonly kubernetes: ServerVersion;
  /** How others know, until the objects are applied, that they will need the module. */
  readonly need: AnnounceChange["need"];
  /** The objects of the namespace. */
  readonly found: FilterObjects;
}

/** The rights a way needs in any case; what has to be made needs more, and is asked for then. */
export function wayAccess({ request, delivery, namespace }: WayRequest): readonly Access[] {
  const cached = delivery === "cache-http" || delivery === "cache-file";
  const mounted = delivery === "cache-file" || delivery === "image-volume";
  const workload = { kind: workloadResource(request.workloads.kind), namespace };
  const edits = mounted ? ["get", "watch", "patch"].map((verb): Access => ({ verb, ...workload })) : [];
  const pods: readonly Access[] = mounted ? [{ verb: "list", kind: Kinds.pod, namespace }] : [];
  return [...edits, ...pods, ...(cached ? cacheAccess(request.cache) : [])];
}

/**
 * Plans the way: what the cache needs, then its report from every node, then volumes and their roll-out, and, when that
 * took its time, the nodes once more. Throws what stands in the way of any of it.
 */
export async function planWay(deps: ClusterDeps, way: WayRequest): Promise<WaySteps> {
  const { delivery, image, namespace } = way;
  if (delivery === "registry") {
    const { pullSecret: secret, owner } = way.request;
    // Behind a FilterDeployment it was read already.
    if (secret !== undefined && owner === undefined) await requirePullSecret(deps, { secret, namespace });
    return { before: [], after: [], edits: [], notes: [] };
  }
  const volume = volumeFor(delivery, image);
  // Broken annotations are found before the cache is looked at: they are the user's to correct.
  const mounts = volume === undefined ? NO_MOUNTS : await mount(deps, way, volume);
  return delivery === "image-volume" ? volumeSteps(way, mounts) : cacheSteps(deps, way, mounts);
}

interface Mounts {
  readonly edits: readonly EditChange[];
  readonly remarks: readonly string[];
}

const NO_MOUNTS: Mounts = { edits: [], remarks: [] };
const STAYS = "is kept while this filter needs it";

async function mount(deps: ClusterDeps, { targets }: WayRequest, volume: ModuleVolume): Promise<Mounts> {
  const settled = await inParallel(targets, (target) =>
    settleEdit(deps, target, { place: placeOf(target.live), direction: "mount", volume }),
  );
  return { edits: settled.map(({ change }) => change), remarks: settled.flatMap(({ remarks }) => remarks) };
}

async function cacheSteps(deps: ClusterDeps, way: WayRequest, mounts: Mounts): Promise<WaySteps> {
  const { request, image, kubernetes, namespace, delivery } = way;
  const { forceConflicts: force, pullSecret: secret, pullConfig: config } = request;
  const listedAs = await listedElsewhere(deps, way);
  const cache = { ...request.cache, listedAs };
  const files = delivery === "cache-file";
  const from = speakerOf(namespace, request);
  const wish: CacheWish = { cache, image, files, kubernetes, force, from, need: way.need };
  const planned = await planCache(deps, wish, way.cache);
  const { key } = planned.announce;
  // Nodes that pull from another repository have no use for the credentials of this one.
  const credentials =
    secret === undefined || listedAs !== undefined
      ? []
      : [await planPullSecret(deps, cache, { key, secret, namespace, config })];
  const wait = moduleWait(way, planned.announce);
  const again = said(planned.announce);
  const there: AnnounceChange = { ...again, stage: "there" };
  const rollout = rolloutSteps(way, mounts);
  // A roll-out takes minutes: nodes that came meanwhile must hold the file, too, before a proxy is told of it.
  const recheck =
    rollout.length > 0 ? [again, ...rolloutAgain(way, mounts), wait, volumeCheck(way, MODULE_VOLUME)] : [];
  return {
    before: [...planned.objects, ...credentials, planned.announce, wait, ...rollout, ...recheck],
    after: [...credentials.map((one) => said(one)), there, ...mounts.edits.map((edit) => said(edit))],
    edits: mounts.edits,
    notes: [...planned.notes, ...listingNotes(way, listedAs), ...mounts.remarks, ...(files ? [FILES_NOTE] : [])],
  };
}

function listingNotes({ cache: { sight } }: WayRequest, listedAs: string | undefined): readonly string[] {
  if (listedAs === undefined) return [];
  return [`the node cache ${sight.title} goes on pulling it as ${listedAs}: the same bytes, and other filters need it`];
}

const FILES_NOTE =
  "files reach the nodes that are there now: on a node that joins later a proxy may start before the file is there (cache-http has no such gap)";

function volumeSteps(way: WayRequest, mounts: Mounts): WaySteps {
  const rollout = rolloutSteps(way, mounts);
  const { name: volume } = imageVolume(way.image);
  return {
    before: [...rollout, ...rolloutAgain(way, mounts), volumeCheck(way, volume)],
    after: mounts.edits.map((edit) => said(edit)),
    edits: mounts.edits,
    notes: mounts.remarks,
  };
}

function moduleWait(way: WayRequest, announce: AnnounceChange): ModuleWait {
  const { request, image, delivery } = way;
  const { namespace, name, timeoutMs } = request.cache;
  const { key, value } = announce;
  const wait: ModuleWait = {
    type: "wait-module",
    moduleDigest: image.moduleDigest,
    cache: { namespace, name },
    entry: { key, value },
    timeoutMs,
  };
  return delivery === "cache-file" ? { ...wait, pods: podsOf(way) } : wait;
}

function rolloutSteps({ request }: WayRequest, { edits }: Mounts): readonly Step[] {
  if (edits.length === 0) return [];
  const workloads = edits.map(({ ref }) => ref);
  return [...edits, { type: "wait-rollout", workloads, timeoutMs: request.timeoutMs }];
}

/** A volume that no object reads yet looks like a leftover: who deploys or undeploys something else there may have taken it. */
function rolloutAgain(way: WayRequest, { edits, remarks }: Mounts): readonly Step[] {
  return rolloutSteps(way, { edits: edits.map((edit) => said(edit)), remarks });
}

function volumeCheck(way: WayRequest, volume: string): Step {
  return { type: "check-volumes", volume, pods: podsOf(way) };
}

function podsOf({ targets }: WayRequest): readonly PodSelection[] {
  return targets.map(({ live, workload }) => {
    const labels = stringMapAt(live, "spec", "selector", "matchLabels");
    return { namespace: workload.namespace, labels };
  });
}

/** The same change, said again: somebody may have undone it while we rolled out. */
function said<T extends AnnounceChange | EditChange | SecretChange>(change: T): T {
  return { ...change, action: "unchanged", reason: STAYS };
}
