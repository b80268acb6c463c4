import type { Digest } from "../domain/digest.ts";
import { isObject } from "../domain/json.ts";
import { at, type KubeObject, listAt, numberAt, stringAt, stringMapAt } from "../kube/objects.ts";
import { NODE_ANNOTATION, NODE_LABEL, parseEntryReport } from "../mesh/node-report.ts";
import { isAlive, keepsFiles } from "./pods.ts";

/** What is seen of a cache at one moment. */
export interface CacheSnapshot {
  readonly daemonSet: KubeObject | undefined;
  /** The cache's pods. */
  readonly pods: readonly KubeObject[];
  /** The nodes' reports. */
  readonly reports: readonly KubeObject[];
  /** Nodes that need the module themselves: pods run there that read it as a file. */
  readonly readers: ReadonlySet<string>;
}

/** Which entry is looked for, and how long a node's cache may take to come up. */
export interface EntryQuestion {
  readonly key: string;
  readonly moduleDigest: Digest;
  /** It is read as a file: a cache pod that keeps it in a directory of its own has nothing to show. */
  readonly files: boolean;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Milliseconds: a cache pod that has not been ready for longer is passed over, unless its node is a reader's. */
  readonly graceMs: number;
}

/** How far a module has come. */
export interface NodeProgress {
  /** `done` when nobody is waited for any more and at least one node has the module. */
  readonly status: "waiting" | "done";
  /** Nodes that have the module and serve it. */
  readonly ready: number;
  /** Nodes that should. */
  readonly wanted: number;
  /** Why others do not, by node. */
  readonly open: ReadonlyMap<string, string>;
  /** Those of them that nobody waits for: their proxies are served by a neighbour. */
  readonly passed: ReadonlySet<string>;
  /** Nodes that gave the module up, with the reason. */
  readonly failed: ReadonlyMap<string, string>;
}

/**
 * Compares what the nodes report with the nodes there are. A report counts when it is of the pod that runs there now: the
 * directory of an earlier one is gone with it. A pod that is not ready gets no requests, so it does no harm, but a young
 * one is waited for.
 */
export function nodeProgress(seen: CacheSnapshot, question: EntryQuestion): NodeProgress {
  const pods = podsByNode(seen.pods, question);
  const nodes = [...pods].map(([node, pod]) => lookAt(seen, { node, pod }, question));
  const orphans = [...seen.readers].filter((node) => !pods.has(node));
  const open = new Map([
    ...nodes.flatMap(({ node, why }) => (why === undefined ? [] : [[node, why] as const])),
    ...orphans.map((node) => [node, "no cache pod runs there"] as const),
  ]);
  const failed = new Map(
    nodes.flatMap(({ node, failure }) => (failure === undefined ? [] : [[node, failure] as const])),
  );
  const passed = new Set(nodes.filter(({ overdue }) => overdue).map(({ node }) => node));
  const ready = nodes.filter(({ why }) => why === undefined).length;
  const desired = numberAt(seen.daemonSet, ["status", "desiredNumberScheduled"]);
  const missing = Math.max(0, desired - pods.size);
  const counted = isObserved(seen.daemonSet) && missing === 0 && ready > 0;
  const done = counted && [...open.keys()].every((node) => passed.has(node));
  return { status: done ? "done" : "waiting", ready, wanted: ready + open.size + missing, open, passed, failed };
}

interface NodeLook {
  readonly node: string;
  /** Why it does not serve the module; absent when it does. */
  readonly why?: string;
  readonly failure?: string;
  /** Its cache has been down for so long that nobody waits for it. */
  readonly overdue: boolean;
}

function lookAt(
  seen: CacheSnapshot,
  place: { readonly node: string; readonly pod: KubeObject },
  question: EntryQuestion,
): NodeLook {
  const { node, pod } = place;
  const told = entryOn(seen.reports, place, question);
  const up = isReady(pod);
  if (question.files && !keepsFiles(pod["spec"])) return { node, why: "its cache keeps no files yet", overdue: false };
  if (told.state === "failed") return { node, why: told.text, failure: told.text, overdue: false };
  if (up) return told.state === "ready" ? { node, overdue: false } : { node, why: told.text, overdue: false };
  const why = told.state === "ready" || told.isSilent === true ? downText(pod) : told.text;
  return { node, why, overdue: !seen.readers.has(node) && isOverdue(pod, question) };
}

/** Why a cache pod serves nobody, as far as it says so; no counts, since whoever tells this on tells each change. */
function downText(pod: KubeObject): string {
  const containers = listAt(pod, "status", "containerStatuses");
  const reasons = containers.map((one) => stringAt(one, "state", "waiting", "reason") ?? "");
  if (reasons.some((reason) => IMAGE_TROUBLE.test(reason)))
    return "its cache pod is not ready: its image cannot be pulled";
  const isRestarted = containers.some((one) => numberAt(one, ["restartCount"]) > 0);
  return isRestarted ? "its cache pod is not ready, and was restarted" : "its cache pod is not ready";
}

const IMAGE_TROUBLE = /Image/u;

/** `3/5 nodes`, and what is the matter with the first few others. */
export function progressText({ ready, wanted, open }: NodeProgress): string {
  const names = [...open].slice(0, 3).map(([node, why]) => `${node}: ${why}`);
  const more = open.size > names.length ? [`${open.size - names.length} more`] : [];
  const none = wanted === 0 ? ["no node has a cache pod"] : [];
  return [`${ready}/${wanted} nodes`, ...none, ...names, ...more].join("; ");
}

/** True when whoever asks for the module gets it although not all nodes are there: every pod that serves has it. */
export function isServed(
  { ready, open }: NodeProgress,
  seen: CacheSnapshot,
  question: Pick<EntryQuestion, "files">,
): boolean {
  if (ready === 0 || [...seen.readers].some((node) => open.has(node))) return false;
  const pods = podsByNode(seen.pods, question);
  return [...open.keys()].every((node) => {
    const pod = pods.get(node);
    return pod === undefined || !isReady(pod);
  });
}

interface Told {
  readonly state: "ready" | "failed" | "pulling";
  readonly text: string;
  /** Nothing is said of the entry yet. */
  readonly isSilent?: boolean;
}

function entryOn(
  reports: readonly KubeObject[],
  place: { readonly node: string; readonly pod: KubeObject },
  { key, moduleDigest }: EntryQuestion,
): Told {
  const report = reports.find((one) => nodeOf(one) === place.node);
  const text = report === undefined || !isOf(report, place.pod) ? undefined : stringMapAt(report, "data")[key];
  const entry = text === undefined ? undefined : parseEntryReport(text);
  if (entry === undefined) return { state: "pulling", text: "no report of it yet", isSilent: true };
  if (entry.state === "failed") return { state: "failed", text: entry.error ?? "it gave up" };
  if (entry.state === "pulling") return { state: "pulling", text: entry.error ?? "fetching" };
  if (entry.module === undefined || entry.module === moduleDigest) return { state: "ready", text: "" };
  return { state: "failed", text: `it holds module ${entry.module}, not ${moduleDigest}` };
}

function nodeOf(report: KubeObject): string {
  return report.metadata.annotations?.[NODE_ANNOTATION] ?? report.metadata.labels?.[NODE_LABEL] ?? "";
}

/** A report names its pod as its owner; one without an owner is taken as it is. */
function isOf(report: KubeObject, pod: KubeObject): boolean {
  const owners = listAt(report, "metadata", "ownerReferences").map((owner) => stringAt(owner, "uid"));
  return owners.length === 0 || owners.includes(pod.metadata.uid);
}

/** The newest pod of each node; one that is going counts no more than its node does. */
function podsByNode(
  pods: readonly KubeObject[],
  { files }: Pick<EntryQuestion, "files">,
): ReadonlyMap<string, KubeObject> {
  const found = new Map<string, KubeObject>();
  for (const pod of pods.filter(isAlive).toSorted((a, b) => createdAt(a) - createdAt(b))) {
    const node = nodeNameOf(pod);
    const before = node === undefined ? undefined : found.get(node);
    if (node !== undefined && (before === undefined || isBetter(pod, before, files))) found.set(node, pod);
  }
  return found;
}

/** While its pod is replaced a node has two: of those that can have what is looked for, the one that is ready serves. */
function isBetter(pod: KubeObject, before: KubeObject, files: boolean): boolean {
  if (files && keepsFiles(pod["spec"]) !== keepsFiles(before["spec"])) return keepsFiles(pod["spec"]);
  return !isReady(before) || isReady(pod);
}

/** Where a pod runs, or, for a DaemonSet's, is meant to. */
function nodeNameOf(pod: KubeObject): string | undefined {
  const bound = stringAt(pod, "spec", "nodeName");
  if (bound !== undefined && bound !== "") return bound;
  const required = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
  const terms = listAt(pod, ...required, "nodeSelectorTerms");
  const fields = terms.flatMap((term) => listAt(term, "matchFields"));
  const named = fields.find((field) => stringAt(field, "key") === "metadata.name");
  const [value] = listAt(named, "values");
  return typeof value === "string" ? value : undefined;
}

function readyCondition(pod: KubeObject): unknown {
  return listAt(pod, "status", "conditions").find((one) => isObject(one) && one["type"] === "Ready");
}

/** True for a pod that gets requests. */
export function isReady(pod: KubeObject): boolean {
  return stringAt(readyCondition(pod), "status") === "True";
}

/** A time far ahead was told by a clock that was wrong, or ours is: to wait until then would be to wait for days. */
function isOverdue(pod: KubeObject, { now, graceMs }: EntryQuestion): boolean {
  const since = Date.parse(stringAt(readyCondition(pod), "lastTransitionTime") ?? "");
  const age = now - (Number.isNaN(since) ? createdAt(pod) : since);
  return age > graceMs || age < -FAR_AHEAD_MS;
}

const FAR_AHEAD_MS = 3_600_000;

function createdAt(pod: KubeObject): number {
  const time = Date.parse(stringAt(pod, "metadata", "creationTimestamp") ?? "");
  return Number.isNaN(time) ? 0 : time;
}

function isObserved(daemonSet: KubeObject | undefined): boolean {
  if (daemonSet === undefined) return false;
  const generation = at(daemonSet, "metadata", "generation");
  return generation === undefined || numberAt(daemonSet, ["status", "observedGeneration"]) >= Number(generation);
}
