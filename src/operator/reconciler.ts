import { WasmeError } from "../domain/errors.ts";
import type { ReconcileResult } from "../controller/controller.ts";
import { keyOf, partsOf } from "../controller/object-store.ts";
import type { OldFailures } from "../deploy/request.ts";
import { Kinds } from "../kube/kinds.ts";
import { adviceOf, inObjectWords } from "./conditions.ts";
import { hasFinalizer, removeFinalizer } from "./finalizer.ts";
import { judge } from "./judge.ts";
import { isLasting, stopped } from "./judgement.ts";
import { removeAllBut } from "./leftovers.ts";
import { LONGEST_MS, PatientSweep } from "./patient-sweep.ts";
import { type Sweep, sweep } from "./sweep.ts";
import { Told } from "./told.ts";
import { CONTROLLER, type ReconcilerDeps, type Work } from "./work.ts";
import { troubleOf, writeStatus } from "./write-status.ts";

/** Reconciles FilterDeployments by key (`namespace/name`): whatever happened, what the object asks for is brought about. */
export function createReconcile(deps: ReconcilerDeps): (key: string, signal: AbortSignal) => Promise<ReconcileResult> {
  const oldFailures = new Map<string, OldFailures>();
  const patient = new PatientSweep();
  const told = new Told();
  return async (key, signal) => {
    const { name, namespace = "" } = partsOf(key);
    const live = await deps.port.get({ kind: Kinds.filterDeployment, name, namespace }, signal);
    const telling = told.begin(key, deps.log.with({ filterDeployment: key }));
    const cluster = {
      port: deps.port,
      clock: deps.clock,
      events: telling.events,
      signal,
      trial: false,
      live: deps.port.live,
      oldFailures,
    };
    if (live === undefined || live.metadata.deletionTimestamp !== undefined) deps.later.forget(key);
    if (live === undefined) {
      told.forget(key);
      return await afterEnd(key, { deps, cluster, namespace }, patient);
    }
    const work: Work = { deps, live, namespace, cluster, signal };
    if (live.metadata.deletionTimestamp !== undefined) {
      if (hasFinalizer(live)) await remove(work, patient).finally(() => telling.over());
      return {};
    }
    const judgement = await judge(work);
    if (judgement === "later") return { isOpen: true };
    telling.over();
    const { findings, againMs, failure } = judgement;
    await writeStatus(work, findings);
    const sweptMs = await patient.run({ deps, cluster, namespace });
    if (failure !== undefined) throw inObjectWords(failure);
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
    if (!isLasting(error, signal)) throw error;
    const message = `what was made for it cannot be taken away, so it stays: ${adviceOf(error)}`;
    await writeStatus(work, stopped(work, {}, { reason: "CannotRemove", message, at: "WorkloadsUpdated" }));
    throw inObjectWords(error);
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
