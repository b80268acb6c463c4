import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { type FilterDeploymentSpec, parseFilterDeployment, problemsText } from "../domain/filter-deployment.ts";
import type { ReconcileResult } from "../controller/controller.ts";
import { keyOf, partsOf } from "../controller/object-store.ts";
import type { Target } from "../deploy/live-workload.ts";
import { targetOf } from "../deploy/live-workload.ts";
import { isFor } from "../deploy/our-objects.ts";
import { refTo } from "../deploy/plan.ts";
import type { OldFailures } from "../deploy/request.ts";
import { hasLabels } from "../deploy/select-workloads.ts";
import { kindOf, Kinds, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { checkFilterId, WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { type Log, logEvents } from "../platform/json-log.ts";
import { bringAbout, type Brought, type Verified } from "./bring-about.ts";
import { adviceOf, inFields, no } from "./conditions.ts";
import { holderOf, isWantedByOthers, leavingHolder, ownedBy } from "./contenders.ts";
import { addFinalizer, hasFinalizer, removeFinalizer } from "./finalizer.ts";
import { findImage, type FoundImage, type NoImage } from "./find-image.ts";
import { conclude, noWorkloads } from "./conclude.ts";
import { failureOf, heldUp, type Judgement, type Known, stopped } from "./judgement.ts";
import { removeAllBut } from "./leftovers.ts";
import { LONGEST_MS, PatientSweep } from "./patient-sweep.ts";
import { conditionIn } from "./status.ts";
import { type Sweep, sweep } from "./sweep.ts";
import { CONTROLLER, type ReconcilerDeps, type Work } from "./work.ts";
import { troubleOf, writeStatus } from "./write-status.ts";

/** Reconciles FilterDeployments by key (`namespace/name`): whatever happened, what the object asks for is brought about. */
export function createReconcile(deps: ReconcilerDeps): (key: string, signal: AbortSignal) => Promise<ReconcileResult> {
  const oldFailures = new Map<string, OldFailures>();
  const patient = new PatientSweep();
  return async (key, signal) => {
    const { name, namespace = "" } = partsOf(key);
    const live = await deps.port.get({ kind: Kinds.filterDeployment, name, namespace }, signal);
    const log = deps.log.with({ filterDeployment: key });
    const cluster = {
      port: deps.port,
      clock: deps.clock,
      events: tell(log),
      signal,
      trial: false,
      live: deps.port.live,
      oldFailures,
    };
    if (live === undefined || live.metadata.deletionTimestamp !== undefined) deps.later.forget(key);
    if (live === undefined) return await afterEnd(key, { deps, cluster, namespace }, patient);
    const work: Work = { deps, live, namespace, cluster, signal };
    if (live.metadata.deletionTimestamp !== undefined) {
      if (hasFinalizer(live)) await remove(work, patient);
      return {};
    }
    const judgement = await judge(work);
    if (judgement === "later") return { isOpen: true };
    const { findings, againMs, failure } = judgement;
    await writeStatus(work, findings);
    const sweptMs = await patient.run({ deps, cluster, namespace });
    if (failure !== undefined) throw failure;
    const looks = [againMs, sweptMs].filter((ms) => ms !== undefined);
    return { ...(looks.length === 0 ? {} : { requeueAfterMs: Math.min(...looks) }), trouble: troubleOf(findings) };
  };
}

/** Nothing asks for anything any more: what was left behind goes. */
async function afterEnd(key: string, sweeping: Sweep, patient: PatientSweep): Promise<ReconcileResult> {
  const { deps, cluster, namespace } = sweeping;
  deps.announced.delete(key);
  deps.waits.forget(key);
  const sweptMs = await patient.run(sweeping);
  await forgetEvents(deps, key, cluster.signal);
  // What stays for long is left to those who are there: keys of what is gone must not pile up.
  const isLeft = sweptMs === LONGEST_MS && deps.view.filterDeployments.list({ namespace }).length > 0;
  return sweptMs === undefined || isLeft ? {} : { requeueAfterMs: sweptMs };
}

/** What was changed is told; how far things are is in the status, and looked at often. */
function tell(log: Log): EventSink {
  const all = logEvents(log);
  return (event) => {
    if (event.type !== "milestone" || CHANGED.test(event.message)) all(event);
    else log.debug(event.message);
  };
}

/** What was made goes first, then the object may go; what keeps it is told, since who deleted it waits. */
async function remove(work: Work, patient: PatientSweep): Promise<void> {
  const { deps, live, cluster, namespace, signal } = work;
  try {
    await removeAllBut(work, []);
    deps.announced.delete(keyOf(live));
    const sweeping = { deps, cluster, namespace, without: live };
    // Who stays sweeps again; after the last one nobody would.
    await (isLast(work) ? sweep(sweeping) : patient.run(sweeping));
    await forgetEvents(deps, keyOf(live), signal);
    await removeFinalizer(deps.port, live, signal);
  } catch (error) {
    if (!(error instanceof WasmeError) || signal.aborted || PASSING.has(error.code)) throw error;
    const message = `what was made for it cannot be taken away, so it stays: ${adviceOf(error)}`;
    await writeStatus(work, stopped(work, {}, { reason: "CannotRemove", message, at: "WorkloadsUpdated" }));
    throw error;
  }
}

function isLast({ deps, live, namespace }: Work): boolean {
  return deps.view.filterDeployments
    .list({ namespace })
    .every(({ metadata }) => metadata.uid === live.metadata.uid || metadata.deletionTimestamp !== undefined);
}

/** What was told about a FilterDeployment goes with it, also what an operator before this one told. */
async function forgetEvents(
  { recorder, port, log }: ReconcilerDeps,
  key: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { name, namespace = "" } = partsOf(key);
  const { kind } = Kinds.filterDeployment;
  await recorder.flush();
  const fieldSelector = `regarding.kind=${kind},regarding.name=${name},reportingController=${CONTROLLER}`;
  try {
    await port.deleteAll({ kind: Kinds.event, namespace, fieldSelector }, signal);
  } catch (error) {
    // They are courtesy and end by themselves: no reason to keep the object.
    if (!(error instanceof WasmeError) || error.code !== "KUBE_FORBIDDEN") throw error;
    log.warn("events about what is gone stay an hour", { error });
  }
}

/** Works out what is the case, and changes what has to be changed. Never throws for what a person has to correct. */
async function judge(work: Work): Promise<Judgement | "later"> {
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
    if (!(error instanceof WasmeError) || work.signal.aborted || PASSING.has(error.code)) throw error;
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
  return conclude(now, known, brought);
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

/** Somebody else was quicker, or leads now: nothing is wrong with the object. */
const PASSING: ReadonlySet<string> = new Set(["KUBE_CONFLICT", "LEADER_LOST"]);
/** What the node cache is to blame for. */
const OF_CACHE: ReadonlySet<string> = new Set([
  "CACHE_NOT_INSTALLED",
  "CACHE_GONE",
  "CACHE_WITHOUT_FILES",
  "MODULE_NOT_FETCHED",
]);
const SOON_MS = 5000;
const CHANGED = / (?:created|changed|deleted)$/u;
