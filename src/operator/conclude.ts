import { WasmeError } from "../domain/errors.ts";
import { keyOf } from "../controller/object-store.ts";
import { podsCommand } from "../deploy/cache-options.ts";
import { numberAt } from "../kube/objects.ts";
import type { Brought } from "./bring-about.ts";
import { MODULE_UNAVAILABLE } from "./cache-outage.ts";
import { adviceOf, type Condition, conditionsWith, no, unknown, type WorkloadResult, yes } from "./conditions.ts";
import { PATIENCE_MS } from "./desired.ts";
import type { FoundImage } from "./find-image.ts";
import { factsOf, failureOf, type Judgement, type Known, verifiedCondition } from "./judgement.ts";
import { conditionIn, conditionSince } from "./status.ts";
import type { Work } from "./work.ts";

type Verified = Known & Pick<FoundImage, "image" | "verified">;

/** The end of a reconcile that got as far as the workloads. */
export function conclude(work: Work, known: Verified, brought: Brought): Judgement {
  const { results, plan, failures } = brought;
  const failed = results.filter(({ state }) => state === "Failed");
  // What may get better soon decides when to look again, and is the one to tell of.
  const failure = failures.find((one) => failureOf(one).soon) ?? failures[0];
  const wait = waitOf(brought);
  if (brought.awaiting === undefined) work.deps.waits.forget(keyOf(work.live));
  const Ready = readyCondition(results, failure, wait);
  const conditions = conditionsWith({
    Ready,
    ImageVerified: verifiedCondition(known),
    CacheReady: cacheCondition(plan?.delivery, wait),
    WorkloadsUpdated: updatedCondition(results, failure, wait),
    Degraded: failed.length > 0 ? yes("SomeFailed", Ready.message) : lateCondition(work, wait),
  });
  const facts = { ...factsOf(work, known), ...(plan && { via: plan.via, delivery: plan.delivery }) };
  const findings = { ...facts, conditions, workloads: results };
  if (failure !== undefined && failureOf(failure).soon) return { findings, failure };
  // Pods that come and go wake it; this is for the time that passes.
  if (brought.outage !== undefined) return { findings, againMs: Math.min(nextLook(work, known), LATE_MS) };
  if (wait !== undefined) return { findings, againMs: isLate(work, wait) ? LATE_MS : AWAITING_MS };
  return { findings, againMs: Ready.status === "True" ? nextLook(work, known) : AWAITING_MS };
}

/** Nothing matches: all is well, and nothing is done. */
export function noWorkloads(work: Work, known: Verified): Judgement {
  const { spec } = known;
  const labels = Object.entries(spec?.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const which = labels.length === 0 ? "" : ` with ${labels.length === 1 ? "label" : "labels"} ${labels.join(",")}`;
  const message = `there is no ${spec?.kind ?? "workload"} in namespace ${work.namespace}${which}: correct spec.deployment.istio, or make one`;
  const none = no("NoWorkloads", message);
  const conditions = conditionsWith({
    Ready: none,
    ImageVerified: verifiedCondition(known),
    CacheReady: unknown("nothing needs the module"),
    WorkloadsUpdated: none,
    Degraded: no("NothingDeployed", "no proxy has the filter"),
  });
  return { findings: { ...factsOf(work, known), conditions, workloads: [] }, againMs: nextLook(work, known) };
}

interface Wait {
  readonly at: "CacheReady" | "WorkloadsUpdated";
  readonly condition: Condition;
}

/** The wait as it is told; none while it may be one of every day. */
function waitOf({ awaiting, outage }: Brought): Wait | undefined {
  if (awaiting === undefined || outage === "short") return undefined;
  const { message, step } = awaiting;
  if (outage === "lasting") return { at: "CacheReady", condition: no(MODULE_UNAVAILABLE, lackText(awaiting)) };
  if (step.type === "wait-module") return { at: "CacheReady", condition: no("WaitingForNodes", message) };
  return { at: "WorkloadsUpdated", condition: no("WaitingForRollout", message) };
}

/** The filter is in the proxies all the same: only new ones are without. */
function isOutage({ condition }: Wait): boolean {
  return condition.reason === MODULE_UNAVAILABLE;
}

function lackText({ step, message }: NonNullable<Brought["awaiting"]>): string {
  const lack = `${message}: proxies that have the filter keep it, new ones may not get it`;
  if (step.type !== "wait-module") return lack;
  return `${lack}; see ${podsCommand(step.cache, "daemonset,pods")}`;
}

function readyCondition(
  results: readonly WorkloadResult[],
  failure: WasmeError | undefined,
  wait: Wait | undefined,
): Condition {
  const succeeded = results.filter(({ state }) => state === "Succeeded").length;
  const failed = results.filter(({ state }) => state === "Failed").length;
  if (failure !== undefined) {
    return no("SomeFailed", `${failed} of ${results.length} workloads cannot get the filter: ${adviceOf(failure)}`);
  }
  if (wait !== undefined) return wait.condition;
  const message = `${succeeded} of ${results.length} workloads have the filter`;
  const open = results.find(({ state }) => state === "Pending");
  return open === undefined ? yes("Deployed", message) : no("InProgress", `${message}: ${open.reason ?? open.name}`);
}

function cacheCondition(delivery: string | undefined, wait: Wait | undefined): Condition {
  if (wait?.at === "CacheReady") return wait.condition;
  if (delivery === undefined) return unknown();
  if (delivery === "cache-http" || delivery === "cache-file") return yes("NodesReady", "the nodes have the module");
  return yes("NotNeeded", `delivery ${delivery} needs no node cache`);
}

function updatedCondition(
  results: readonly WorkloadResult[],
  failure: WasmeError | undefined,
  wait: Wait | undefined,
): Condition {
  const ready = readyCondition(results, failure, undefined);
  if (failure !== undefined) return ready;
  if (wait?.at === "WorkloadsUpdated") return wait.condition;
  if (wait !== undefined && !isOutage(wait)) return no("WaitingForNodes", "the nodes come first");
  return ready.status === "True" ? yes("AllUpdated", ready.message) : ready;
}

/** A wait is normal, unless it takes too long. */
function lateCondition(work: Work, wait: Wait | undefined): Condition {
  if (wait === undefined) return no("AsWanted", "the proxies have what is asked for");
  if (isOutage(wait)) return yes(wait.condition.reason, wait.condition.message);
  if (!isLate(work, wait)) return no("InProgress", wait.condition.message);
  return yes("TakesTooLong", `for more than ${PATIENCE_MS / 60_000} minutes: ${wait.condition.message}`);
}

function isLate({ live, deps }: Work, wait: Wait): boolean {
  const same = conditionIn(live, wait.at)?.status === "False";
  return deps.waits.age(keyOf(live), same ? conditionSince(live, wait.at) : undefined) > PATIENCE_MS;
}

/** When to look again although nothing happened: a tag may have been pushed anew. Spread, so that not all come at once. */
function nextLook({ deps, live }: Work, { spec }: Known): number {
  const { resolveMs, resyncMs } = deps.settings;
  const most = spec?.image.digest === undefined ? Math.min(resolveMs, resyncMs) : resyncMs;
  return most * (1 + (numberAt(live, ["metadata", "generation"]) % 10) / 100 + Math.random() / 10);
}

/** What happens in the cluster wakes who waits; this is for what nobody is told of, and many may wait for long. */
const AWAITING_MS = 5000;
const LATE_MS = 30_000;
