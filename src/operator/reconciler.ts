import { WasmeError } from "../domain/errors.ts";
import { type FilterDeploymentSpec, parseFilterDeployment, problemsText } from "../domain/filter-deployment.ts";
import type { ReconcileResult } from "../controller/controller.ts";
import { partsOf } from "../controller/object-store.ts";
import type { Target } from "../deploy/live-workload.ts";
import { targetOf } from "../deploy/live-workload.ts";
import { hasLabels } from "../deploy/select-workloads.ts";
import { Kinds, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { checkFilterId } from "../mesh/names.ts";
import { logEvents } from "../platform/json-log.ts";
import { bringAbout, keyOfObject } from "./bring-about.ts";
import { inFields, no } from "./conditions.ts";
import { holderOf, leavingHolder, ownedBy } from "./contenders.ts";
import { addFinalizer, hasFinalizer, removeFinalizer } from "./finalizer.ts";
import { findImage, withPullSecret } from "./find-image.ts";
import { conclude, noWorkloads } from "./conclude.ts";
import { failureOf, type Judgement, stopped } from "./judgement.ts";
import { removeObjects } from "./leftovers.ts";
import { sweep } from "./sweep.ts";
import type { ReconcilerDeps, Work } from "./work.ts";
import { writeStatus } from "./write-status.ts";

/** Reconciles FilterDeployments by key (`namespace/name`): whatever happened, what the object asks for is brought about. */
export function createReconcile(deps: ReconcilerDeps): (key: string, signal: AbortSignal) => Promise<ReconcileResult> {
  return async (key, signal) => {
    const { name, namespace = "" } = partsOf(key);
    const live = await deps.port.get({ kind: Kinds.filterDeployment, name, namespace }, signal);
    const log = deps.log.with({ filterDeployment: key });
    const cluster = { port: deps.port, clock: deps.clock, events: logEvents(log), signal, trial: false };
    if (live === undefined) {
      await sweep({ deps, cluster, namespace, signal });
      return {};
    }
    const work: Work = { deps, live, namespace, cluster, signal };
    if (live.metadata.deletionTimestamp !== undefined) {
      await remove(work);
      return {};
    }
    const { findings, againMs, failure } = await judge(work);
    await writeStatus(work, findings);
    if (failure !== undefined) throw failure;
    return againMs === undefined ? {} : { requeueAfterMs: againMs };
  };
}

/** What was made goes first, then the object may go. */
async function remove(work: Work): Promise<void> {
  const { deps, live, cluster, namespace, signal } = work;
  if (!hasFinalizer(live)) return;
  await removeObjects(work, await ownedNow(work));
  await sweep({ deps, cluster, namespace, signal, without: live });
  await removeFinalizer(deps.port, live, signal);
}

/** The objects made for it, asked of the server: the view may not have seen the last one yet. */
async function ownedNow({ deps, live, namespace, signal }: Work): Promise<readonly KubeObject[]> {
  const known = ownedBy(deps.view, live);
  const fresh = await Promise.all(
    deps.view.filters
      .filter(({ served }) => served)
      .map(async ({ kind }) => {
        const { items } = await deps.port.list({ kind, namespace }, signal);
        return items.filter(({ metadata }) => isOwner(metadata, live));
      }),
  );
  const byKey = new Map([...known, ...fresh.flat()].map((object) => [keyOfObject(object), object]));
  return [...byKey.values()];
}

function isOwner(metadata: KubeObject["metadata"] & { readonly ownerReferences?: unknown }, live: KubeObject): boolean {
  const references = metadata.ownerReferences;
  return Array.isArray(references) && references.some((one: { uid?: unknown }) => one.uid === live.metadata.uid);
}

/** Works out what is the case, and changes what has to be changed. Never throws for what a person has to correct. */
async function judge(work: Work): Promise<Judgement> {
  const { deps, live } = work;
  const parsed = parseFilterDeployment(live);
  if (parsed.spec === undefined) {
    return { findings: stopped(work, {}, { reason: "InvalidSpec", message: problemsText(parsed.problems) }) };
  }
  const { spec } = parsed;
  const idProblem = problemOf(() => checkFilterId(spec.id));
  if (idProblem !== undefined) {
    const message = inFields(`spec.filter.id: ${idProblem.message}; ${idProblem.hint ?? ""}`);
    return { findings: stopped(work, {}, { reason: "InvalidSpec", message }) };
  }
  try {
    return await judgeSpec(work, spec);
  } catch (error) {
    if (!(error instanceof WasmeError) || deps.port === undefined) throw error;
    const { reason, message, soon } = failureOf(error);
    const findings = stopped(work, { spec }, { reason, message });
    return soon ? { findings, failure: error } : { findings, againMs: deps.settings.resyncMs };
  }
}

async function judgeSpec(work: Work, spec: FilterDeploymentSpec): Promise<Judgement> {
  const holder = holderOf(work.deps.view, work.live, spec.id);
  if (holder.metadata.uid !== work.live.metadata.uid) return await giveWay(work, spec, holder);
  const leaving = leavingHolder(work.deps.view, work.live, spec.id);
  if (leaving !== undefined) {
    const message = `waits until FilterDeployment ${leaving.metadata.name} has taken its filter ${spec.id} away`;
    return { findings: stopped(work, { spec }, { reason: "IdInUse", message }), againMs: SOON_MS };
  }
  const targets = targetsOf(work, spec);
  const found = await findImage(work, spec);
  if ("stop" in found) {
    const pending = targets.map(({ workload }) => ({ name: workload.name, state: "Pending" as const }));
    const findings = stopped(work, { ...found.known, spec }, { ...found.stop, workloads: pending });
    if (found.failure !== undefined) return { findings, failure: found.failure };
    return { findings, againMs: work.deps.settings.resyncMs };
  }
  // From here on something is made outside that has to be taken away again.
  const held: Work = hasFinalizer(work.live)
    ? work
    : { ...work, live: await addFinalizer(work.deps.port, work.live, work.signal) };
  const known = { ...found, spec };
  if (targets.length === 0) {
    await removeObjects(held, ownedBy(work.deps.view, work.live));
    return noWorkloads(held, known);
  }
  const verified = { spec, image: found.image, targets };
  const brought = await bringAbout(withPullSecret(held, spec, found.pull), verified);
  const chosen = new Set(targets.map(({ workload }) => workload.name));
  const unwanted = ownedBy(work.deps.view, work.live).filter((object) => !brought.wanted.has(keyOfObject(object)));
  // Where the filter goes to under another name or by another kind, the old object stays until the new one is there.
  const over = unwanted.filter((object) => brought.awaiting === undefined || !isOn(object, chosen, spec));
  await removeObjects(held, brought.failures.length > 0 ? over.filter((object) => !isOn(object, chosen, spec)) : over);
  return conclude(held, known, brought);
}

/** True when the object is on one of these workloads, of the kind that is asked for. */
function isOn(object: KubeObject, chosen: ReadonlySet<string>, spec: FilterDeploymentSpec): boolean {
  const { labels = {}, name } = object.metadata;
  if (labels["wasme.io/workload-kind"] !== spec.kind.toLowerCase()) return false;
  const id = labels["wasme.io/filter"] ?? "";
  return chosen.has(name.slice(0, -id.length - 1));
}

/** Another FilterDeployment has the id: whatever was made for this one would be in its way. */
async function giveWay(work: Work, spec: FilterDeploymentSpec, holder: KubeObject): Promise<Judgement> {
  await removeObjects(work, ownedBy(work.deps.view, work.live));
  const { name } = holder.metadata;
  const message = `FilterDeployment ${name} has the filter id ${spec.id} in this namespace and is older: write another spec.filter.id`;
  const findings = stopped(work, { spec }, { reason: "IdTaken", message });
  const conditions = { ...findings.conditions, Degraded: no("NothingDeployed", "no proxy has the filter") };
  return { findings: { ...findings, conditions, image: undefined, moduleDigest: undefined } };
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

const SOON_MS = 5000;
