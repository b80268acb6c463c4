import { WasmeError } from "../domain/errors.ts";
import type { FilterDeploymentSpec } from "../domain/filter-deployment.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import type { Target } from "../deploy/live-workload.ts";
import { isFor } from "../deploy/our-objects.ts";
import { stringAt } from "../kube/objects.ts";
import {
  adviceOf,
  type Condition,
  conditionsWith,
  type ConditionType,
  type Findings,
  no,
  unknown,
  type WorkloadResult,
  yes,
} from "./conditions.ts";
import { ownedBy } from "./contenders.ts";
import type { Work } from "./work.ts";

/** How a reconcile ended. */
export interface Judgement {
  readonly findings: Findings;
  /** Milliseconds until it is worth looking again; absent: when something happens. */
  readonly againMs?: number;
  /** To be tried again soon, with growing pauses. */
  readonly failure?: WasmeError;
}

/** What is known of the filter so far. */
export interface Known {
  readonly spec?: FilterDeploymentSpec;
  readonly image?: ResolvedImage;
  readonly verified?: string;
  /** Said beside "verified": the registry could not be asked again. */
  readonly note?: string | undefined;
}

/** Why a reconcile stops before its end. */
export interface Stop {
  readonly reason: string;
  readonly message: string;
  /** The condition that is not met, beside Ready. */
  readonly at?: Exclude<ConditionType, "Ready" | "Degraded">;
  readonly workloads?: readonly WorkloadResult[];
}

/** The findings of a reconcile that stops: what is in the proxies stays there. */
export function stopped(work: Work, known: Known, stop: Stop): Findings {
  const { reason, message, at } = stop;
  const failed = no(reason, message);
  const conditions = conditionsWith({
    Ready: failed,
    ImageVerified: verifiedCondition(known),
    Degraded: degraded(work, reason, message),
    ...(at === undefined ? {} : { [at]: failed }),
  });
  return { ...factsOf(work, known), conditions, workloads: stop.workloads ?? [] };
}

/** The condition of an image that was looked at. */
export function verifiedCondition({ image, verified, note }: Known): Condition {
  if (image === undefined || verified === undefined) return unknown();
  const told = `the module ${image.moduleDigest} starts with this configuration`;
  return yes("Verified", note === undefined ? told : `${told}; the registry could not be asked again: ${note}`);
}

/** What a status says of the filter beside its conditions. */
export function factsOf(work: Work, { spec, image, verified }: Known): Omit<Findings, "conditions" | "workloads"> {
  const { live } = work;
  // Until something newer is known: a reader, and the list of the cache, go by what was pinned last.
  const before = (field: string): string | undefined => stringAt(live, "status", field);
  const pinned = image && formatReference(withDigest(image.reference, image.manifestDigest));
  return {
    id: spec?.id ?? before("filter"),
    image: pinned ?? before("image"),
    moduleDigest: image?.moduleDigest ?? before("moduleDigest"),
    rootId: image === undefined ? before("rootId") : (spec?.rootId ?? rootIdsOf(image.runtimeConfig)[0] ?? ""),
    via: before("via"),
    delivery: before("delivery"),
    verified: verified ?? before("verified"),
  };
}

/** The workloads of a reconcile that stops: those that have the filter of before say so. */
export function heldUp(
  { deps, live }: Pick<Work, "live"> & { readonly deps: Pick<Work["deps"], "port"> },
  targets: readonly Pick<Target, "workload">[],
  state: WorkloadResult["state"],
): readonly WorkloadResult[] {
  const own = ownedBy(deps.port, live);
  return targets.map(({ workload }) => {
    const has = own.some((object) => isFor(object, workload));
    return { name: workload.name, state, reason: has ? KEEPS : "does not have the filter" };
  });
}

/** What a workload does whose update is not there yet. */
export const KEEPS = "keeps the filter as it was deployed before";

/** Something is in the proxies, and it is not what the object asks for. */
function degraded(work: Work, reason: string, message: string): Condition {
  const objects = ownedBy(work.deps.port, work.live).length;
  if (objects === 0) return no("NothingDeployed", "no proxy has the filter");
  const stays = `the filter as it was deployed before stays on ${objects} ${objects === 1 ? "workload" : "workloads"}`;
  return yes("OldFilterStays", `${stays}: ${reason}: ${message}`);
}

/** Whether it is something to tell of: an error of ours, and none that says only that somebody else was quicker, or leads now. */
export function isLasting(error: unknown, signal: AbortSignal): error is WasmeError {
  return error instanceof WasmeError && !signal.aborted && !PASSING.has(error.code);
}

const PASSING: ReadonlySet<string> = new Set(["KUBE_CONFLICT", "LEADER_LOST"]);

/** What went wrong, as the reason and message of a condition, and whether trying again soon can help. */
export function failureOf(error: WasmeError): {
  readonly reason: string;
  readonly message: string;
  readonly soon: boolean;
} {
  // What the object says is wrong until somebody writes another; all else is changed in places nobody tells us of.
  const soon = error.kind !== "usage" || ELSEWHERE.has(error.code);
  return { reason: failureReason(error), message: adviceOf(error), soon };
}

function failureReason({ code, kind }: WasmeError): string {
  const named = REASONS.get(code);
  if (named !== undefined) return named;
  return kind === "usage" || kind === "incompatible" ? "Refused" : "Failed";
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ["CACHE_NOT_INSTALLED", "CacheNotInstalled"],
  ["CACHE_WITHOUT_FILES", "CacheWithoutFiles"],
  ["PULL_SECRET_UNUSABLE", "PullSecretUnusable"],
  ["KUBE_FORBIDDEN", "Forbidden"],
  ["KUBE_KIND_NOT_SERVED", "KindNotServed"],
  ["ISTIO_NOT_INSTALLED", "KindNotServed"],
  ["KUBE_INVALID", "RefusedByCluster"],
  ["KUBE_DENIED", "RefusedByCluster"],
  ["KUBE_WEBHOOK_FAILED", "RefusedByCluster"],
]);
/** Refusals of what the object says that rest on other objects. */
const ELSEWHERE: ReadonlySet<string> = new Set(["PULL_SECRET_UNUSABLE", "FILTER_NAME_TAKEN", "FILTER_MANAGED"]);
