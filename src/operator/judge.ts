import { WasmeError } from "../domain/errors.ts";
import { type FilterDeploymentSpec, parseFilterDeployment, problemsText } from "../domain/filter-deployment.ts";
import { keyOf } from "../controller/object-store.ts";
import { type Target, targetOf } from "../deploy/live-workload.ts";
import { isFor } from "../deploy/our-objects.ts";
import { refTo } from "../deploy/plan.ts";
import { hasLabels } from "../deploy/select-workloads.ts";
import { kindOf, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { checkFilterId, WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { bringAbout, type Brought, type Verified } from "./bring-about.ts";
import { outageOf } from "./cache-outage.ts";
import { conclude, noWorkloads } from "./conclude.ts";
import { inFields, no } from "./conditions.ts";
import { holderOf, isWantedByOthers, leavingHolder, ownedBy } from "./contenders.ts";
import { addFinalizer, hasFinalizer } from "./finalizer.ts";
import { findImage, type FoundImage, type NoImage } from "./find-image.ts";
import { failureOf, heldUp, isLasting, type Judgement, type Known, stopped } from "./judgement.ts";
import { removeAllBut } from "./leftovers.ts";
import { conditionIn } from "./status.ts";
import type { Work } from "./work.ts";

/** Works out what is the case, and changes what has to be changed. Never throws for what a person has to correct. */
export async function judge(work: Work): Promise<Judgement | "later"> {
  const { deps, live } = work;
  const parsed = parseFilterDeployment(live);
  if (parsed.spec === undefined) {
    await handOver(work);
    return { findings: stopped(work, {}, { reason: "InvalidSpec", message: problemsText(parsed.problems) }) };
  }
  const { spec } = parsed;
  const idProblem = problemOf(() => checkFilterId(spec.id));
  if (idProblem !== undefined) {
    await handOver(work);
    const message = inFields(`spec.filter.id: ${idProblem.message}; ${idProblem.hint ?? ""}`);
    return { findings: stopped(work, {}, { reason: "InvalidSpec", message }) };
  }
  const known: { -readonly [K in keyof Known]: Known[K] } = { spec };
  try {
    return await judgeSpec(work, spec, (found) => Object.assign(known, found));
  } catch (error) {
    if (!isLasting(error, work.signal)) throw error;
    const { reason, message, soon } = failureOf(error);
    const workloads = heldUp(work, targetsOf(work, spec), "Failed");
    const at = OF_CACHE.has(error.code) ? "CacheReady" : "WorkloadsUpdated";
    const findings = stopped(work, known, { reason, message, at, workloads });
    return soon ? { findings, failure: error } : { findings, againMs: deps.settings.resyncMs };
  }
}

async function judgeSpec(
  work: Work,
  spec: FilterDeploymentSpec,
  tellFound: (known: Known) => void,
): Promise<Judgement | "later"> {
  const holder = holderOf(work.deps.view, work.live, spec.id);
  if (holder.metadata.uid !== work.live.metadata.uid) return await giveWay(work, spec, holder);
  const leaving = leavingHolder(work.deps, work.live, spec.id);
  if (leaving !== undefined) {
    const ready = conditionIn(leaving, "Ready");
    const why = ready?.status === "False" ? `; it says ${ready.reason}: ${ready.message}` : "";
    const message = `waits until FilterDeployment ${leaving.metadata.name} has taken its filter ${spec.id} away${why}`;
    return { findings: stopped(work, { spec }, { reason: "IdInUse", message }), againMs: SOON_MS };
  }
  const targets = targetsOf(work, spec);
  const found = await findSoon(work, spec);
  if (found === undefined) return "later";
  if ("stop" in found) {
    await handOver(work);
    const workloads = heldUp(work, targets, "Pending");
    const findings = stopped(work, { ...found.known, spec }, { ...found.stop, workloads });
    if (found.failure !== undefined) return { findings, failure: found.failure };
    return { findings, againMs: work.deps.settings.resyncMs };
  }
  tellFound(found);
  // What is made outside has to be taken away again; it takes a plan to make something, and that is worked out meanwhile.
  const held: Promise<Work> = hold(work);
  held.catch(() => undefined);
  const known = { ...found, spec };
  if (targets.length === 0) {
    await removeUnwanted(await held, []);
    work.deps.announced.delete(keyOf(work.live));
    return noWorkloads(await held, known);
  }
  const verified = { spec, image: found.image, targets, pull: found.pull, held };
  const { key } = cacheEntry(found.image);
  work.deps.announced.set(keyOf(work.live), key);
  const brought = await bringAbout(work, verified);
  const now = await held;
  await removeUnwanted(now, [...brought.wanted, ...stillNeeded(now, verified, brought)]);
  return conclude(now, known, { ...brought, outage: await outageOf(now, brought) });
}

/** The work with the finalizer on its object. */
async function hold(work: Work): Promise<Work> {
  if (hasFinalizer(work.live)) return work;
  return { ...work, live: await addFinalizer(work.deps.port, work.live, work.signal) };
}

/** The image, unless finding it out takes long: the key is enqueued again then, once it is known. */
async function findSoon(work: Work, spec: FilterDeploymentSpec): Promise<FoundImage | NoImage | undefined> {
  const { deps, live, cluster } = work;
  const about = `${live.metadata.uid} ${live.metadata.generation}`;
  return await deps.later.get(keyOf(live), about, (signal) =>
    findImage({ ...work, signal, cluster: { ...cluster, signal } }, spec),
  );
}

/**
 * Where the filter goes to under another name or by another kind, the old object stays until the new one is there: what
 * waits or failed has the filter of before.
 */
function stillNeeded({ deps, live }: Work, { spec, targets }: Verified, brought: Brought): readonly ObjectRef[] {
  if (brought.awaiting === undefined && brought.failures.length === 0) return [];
  return deps.view.filters.flatMap(({ kind }) =>
    ownedBy(deps.port, live)
      .filter((object) => object.kind === kind.kind && targets.some(({ workload }) => isFor(object, workload)))
      .filter(({ metadata }) => metadata.labels?.[WORKLOAD_KIND_LABEL] === spec.kind.toLowerCase())
      .map((object) => refTo(kind, object)),
  );
}

/** Most of the time there is nothing to remove, and finding that out is to cost nothing. */
async function removeUnwanted(work: Work, keep: readonly ObjectRef[]): Promise<void> {
  const kept = new Set(keep.map(({ kind, name }) => `${kind.kind} ${name}`));
  const unwanted = ownedBy(work.deps.port, work.live).filter(
    ({ kind, metadata }) => !kept.has(`${kind} ${metadata.name}`),
  );
  if (unwanted.length > 0) await removeAllBut(work, keep);
}

/** Another FilterDeployment has the id: whatever was made for this one would be in its way. */
async function giveWay(work: Work, spec: FilterDeploymentSpec, holder: KubeObject): Promise<Judgement> {
  await removeUnwanted(work, []);
  work.deps.announced.delete(keyOf(work.live));
  const { name } = holder.metadata;
  const message = `FilterDeployment ${name} has the filter id ${spec.id} in this namespace and is older: write another spec.filter.id`;
  const findings = stopped(work, { spec }, { reason: "IdTaken", message });
  const conditions = { ...findings.conditions, Degraded: no("NothingDeployed", "no proxy has the filter") };
  return { findings: { ...findings, conditions, image: undefined, moduleDigest: undefined, rootId: undefined } };
}

/**
 * What goes no further keeps its filter as it was, but not under an id that it gave up and that another one wants: the
 * other one would wait for it.
 */
async function handOver(work: Work): Promise<void> {
  const all = ownedBy(work.deps.port, work.live);
  const keep = all.filter((object) => !isWantedByOthers(work.deps.view, work.live, object));
  if (keep.length === all.length) return;
  const refs = keep.flatMap((object) => {
    const kind = kindOf(object);
    return kind === undefined ? [] : [refTo(kind, object)];
  });
  await removeAllBut(work, refs);
}

function targetsOf({ deps, namespace }: Work, spec: FilterDeploymentSpec): readonly Target[] {
  const kind = workloadResource(spec.kind);
  const workloads = deps.view.workloads.find((view) => view.kind === kind)?.list({ namespace }) ?? [];
  return workloads
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined && hasLabels(metadata.labels ?? {}, spec.labels))
    .map((object) => targetOf(spec.kind, object, namespace))
    .toSorted((a, b) => (a.workload.name < b.workload.name ? -1 : 1));
}

function problemOf(check: () => void): WasmeError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof WasmeError) return error;
    throw error;
  }
}

/** What the node cache is to blame for. */
const OF_CACHE: ReadonlySet<string> = new Set([
  "CACHE_NOT_INSTALLED",
  "CACHE_GONE",
  "CACHE_WITHOUT_FILES",
  "MODULE_NOT_FETCHED",
]);
const SOON_MS = 5000;
