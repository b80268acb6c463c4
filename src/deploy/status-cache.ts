import { type Digest, isDigest } from "../domain/digest.ts";
import { type KubeObject, numberAt, stringAt, stringMapAt } from "../kube/objects.ts";
import { IMAGE_ANNOTATION, IMAGE_DIGEST_ANNOTATION, MODULE_DIGEST_ANNOTATION } from "../mesh/names.ts";
import { podsCommand } from "./cache-options.ts";
import { nodeProgress, type NodeProgress, progressText } from "./node-progress.ts";
import { cacheUseOf, deliveryOf } from "./our-objects.ts";
import type { CacheName } from "./cache-name.ts";
import { isAlive } from "./pods.ts";
import type { CacheView, Sight } from "./status-survey.ts";
import { editCommand, withoutVolume } from "./status-operator.ts";
import { failed, type NodeState, ok, type StatusStep, unseen, waiting } from "./status-step.ts";

/** A filter's object, its cache, and what is needed to judge them. */
export interface CacheQuestion {
  readonly object: KubeObject;
  readonly title: string;
  readonly cache: CacheView;
  /** Nodes whose proxies need the module: as a file from there, or over HTTP from anywhere. */
  readonly askers: ReadonlySet<string>;
  /** Epoch milliseconds. */
  readonly now: number;
  /** The command that brings this filter about anew. */
  readonly again: string;
}

/** The steps `list` and `nodes`, and each node's state. */
export function cacheSteps(question: CacheQuestion): {
  readonly steps: readonly StatusStep[];
  readonly nodes: readonly NodeState[];
} {
  const { nodes, step } = nodesStep(question);
  return { steps: [listStep(question), step], nodes };
}

function listStep({ object, title, cache, again }: CacheQuestion): StatusStep {
  const { list } = cache;
  if ("denied" in list) return unseen("list", list.denied);
  if (list.seen === undefined) return failed("list", `there is no list of a node cache ${title}`, again);
  const key = cacheUseOf(object)?.key ?? "";
  if (!names(list.seen, key, object)) {
    return failed("list", `the node cache ${title} does not list the image`, again);
  }
  return ok("list", `the node cache ${title} lists the image`);
}

/** By its own key, or in a list of references as the old tool wrote it. */
function names(list: KubeObject, key: string, object: KubeObject): boolean {
  const data = stringMapAt(list, "data");
  const digest = object.metadata.annotations?.[IMAGE_DIGEST_ANNOTATION] ?? "";
  return (
    data[key] !== undefined ||
    Object.values(data).some((value) => value.split("\n").some((line) => line.includes(digest)))
  );
}

function nodesStep(question: CacheQuestion): { readonly step: StatusStep; readonly nodes: readonly NodeState[] } {
  const { object, title, cache, again } = question;
  const overHttp = deliveryOf(object) === "cache-http";
  const needed = [cache.daemonSet, cache.pods, cache.reports, ...(overHttp ? [cache.service] : [])];
  const denied = needed.flatMap((one) => ("denied" in one ? [one.denied] : []));
  const [hidden] = denied;
  if (hidden !== undefined) return { step: unseen("nodes", hidden), nodes: [] };
  const daemonSet = seenOf(cache.daemonSet, undefined);
  const moduleDigest = object.metadata.annotations?.[MODULE_DIGEST_ANNOTATION] ?? "";
  if (daemonSet === undefined) return { step: failed("nodes", `there is no node cache ${title}`, again), nodes: [] };
  if (overHttp && seenOf(cache.service, undefined) === undefined) {
    return { step: failed("nodes", `there is no Service ${title}: no proxy reaches the node cache`, again), nodes: [] };
  }
  if (!isDigest(moduleDigest)) {
    const message = `${object.kind}/${object.metadata.name} does not say which module it wants: its annotation was changed`;
    return { step: failed("nodes", message, again), nodes: [] };
  }
  return judgedNodes(question, { daemonSet, moduleDigest });
}

/** The same, when there is a cache, and the object names a module. */
function judgedNodes(
  question: CacheQuestion,
  { daemonSet, moduleDigest }: { readonly daemonSet: KubeObject; readonly moduleDigest: Digest },
): ReturnType<typeof nodesStep> {
  const { object, cache, askers, now } = question;
  const pods = seenOf<readonly KubeObject[]>(cache.pods, []);
  const key = cacheUseOf(object)?.key ?? "";
  const files = deliveryOf(object) === "cache-file";
  const readers = files ? askers : new Set<string>();
  const seen = { daemonSet, pods, reports: seenOf<readonly KubeObject[]>(cache.reports, []), readers };
  const progress = nodeProgress(seen, { key, moduleDigest, files, now, graceMs: GRACE_MS });
  const bare = bareNodes(question, { daemonSet, pods });
  return { step: progressStep(question, progress, bare), nodes: nodeStates(pods, progress, files ? bare : []) };
}

/** Nodes whose proxies need the module, and that the cache's DaemonSet, which has all the pods it wants, passes over. */
function bareNodes(
  { askers }: CacheQuestion,
  { daemonSet, pods }: { readonly daemonSet: KubeObject; readonly pods: readonly KubeObject[] },
): readonly string[] {
  const bound = new Set(pods.filter(isAlive).map((pod) => stringAt(pod, "spec", "nodeName") ?? ""));
  const isObserved =
    numberAt(daemonSet, ["status", "observedGeneration"]) >= numberAt(daemonSet, ["metadata", "generation"]);
  // One that is bound to no node yet may be meant for any of them.
  const isWhole = !bound.has("") && bound.size >= numberAt(daemonSet, ["status", "desiredNumberScheduled"]);
  return isObserved && isWhole ? [...askers].filter((node) => !bound.has(node)).toSorted() : [];
}

function progressStep({ object, title }: CacheQuestion, progress: NodeProgress, bare: readonly string[]): StatusStep {
  const [namespace = "", name = ""] = title.split("/");
  const [broken] = progress.failed;
  if (broken !== undefined) {
    const [node, why] = broken;
    const image = object.metadata.annotations?.[IMAGE_ANNOTATION] ?? "";
    const message = `${progress.ready}/${progress.wanted} nodes; ${node} cannot fetch ${image}: ${why}`;
    return failed("nodes", message, fixOf(why, object, { namespace, name }));
  }
  if (bare.length > 0 && deliveryOf(object) === "cache-file") {
    const count = `${progress.ready}/${progress.wanted} nodes`;
    const message = `${count}; the DaemonSet of the node cache passes over ${someOf(bare)}, where proxies read files`;
    const look = `kubectl get daemonset ${name} -n ${namespace} -o yaml`;
    const fix = `let it run there (nodeSelector, affinity, tolerations): ${look}; or ${withoutVolume(object)}`;
    return failed("nodes", message, fix);
  }
  if (progress.status === "done") {
    const more = bare.length === 0 ? "" : `; no cache pod on ${someOf(bare)}: other nodes serve the proxies there`;
    return ok("nodes", `${progressText(progress)}${more}`);
  }
  return waiting("nodes", progressText(progress), podsCommand({ namespace, name }));
}

/** The first few, and how many more. */
function someOf(nodes: readonly string[]): string {
  const more = nodes.length > 3 ? [`${nodes.length - 3} more`] : [];
  return [...nodes.slice(0, 3), ...more].join(", ");
}

/** A cache pod younger than this is waited for, like `deploy` does by default. */
const GRACE_MS = 60_000;

function fixOf(why: string, object: KubeObject, { namespace, name }: CacheName): string {
  if (/\b(?:401|403|unauthori[sz]ed|forbidden|denied)\b/iu.test(why)) {
    const edit = editCommand(object);
    return edit === undefined
      ? "deploy again with --pull-secret NAME, a Secret with credentials for that registry"
      : `name a Secret with credentials for that registry in spec.filter.imagePullOptions.pullSecret: ${edit}`;
  }
  return `correct that; the node tries again by itself: kubectl logs -n ${namespace} daemonset/${name}`;
}

function nodeStates(
  pods: readonly KubeObject[],
  progress: NodeProgress,
  bare: readonly string[],
): readonly NodeState[] {
  const { open, failed: broken, passed } = progress;
  const bound = pods.map((pod) => stringAt(pod, "spec", "nodeName") ?? "").filter((node) => node !== "");
  const all = [...new Set([...bound, ...open.keys()])].toSorted((a, b) => (a < b ? -1 : 1));
  return all.map((node): NodeState => {
    const why = open.get(node);
    if (why === undefined) return { node, state: "ready", message: "has the module" };
    if (bare.includes(node))
      return { node, state: "failed", message: "the DaemonSet of the node cache passes over it" };
    if (broken.has(node)) return { node, state: "failed", message: why };
    const more = passed.has(node) ? "; its proxies are served by other nodes" : "";
    return { node, state: "waiting", message: `${why}${more}` };
  });
}

function seenOf<T>(sight: Sight<T>, fallback: T): T {
  return "denied" in sight ? fallback : sight.seen;
}
