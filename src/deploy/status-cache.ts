import { isDigest } from "../domain/digest.ts";
import { type KubeObject, stringAt, stringMapAt } from "../kube/objects.ts";
import { IMAGE_ANNOTATION, IMAGE_DIGEST_ANNOTATION, MODULE_DIGEST_ANNOTATION } from "../mesh/names.ts";
import { podsCommand } from "./cache-options.ts";
import { nodeProgress, type NodeProgress, progressText } from "./node-progress.ts";
import { cacheUseOf, deliveryOf } from "./our-objects.ts";
import type { CacheName } from "./cache-name.ts";
import type { CacheView, Sight } from "./status-survey.ts";
import { editCommand } from "./status-operator.ts";
import { failed, type NodeState, ok, type StatusStep, unseen, waiting } from "./status-step.ts";

/** A filter's object, its cache, and what is needed to judge them. */
export interface CacheQuestion {
  readonly object: KubeObject;
  readonly title: string;
  readonly cache: CacheView;
  /** Nodes that need the module themselves. */
  readonly readers: ReadonlySet<string>;
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
  const { object, title, cache, readers, now, again } = question;
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
  const pods = seenOf<readonly KubeObject[]>(cache.pods, []);
  const seen = { daemonSet, pods, reports: seenOf<readonly KubeObject[]>(cache.reports, []), readers };
  const key = cacheUseOf(object)?.key ?? "";
  const files = deliveryOf(object) === "cache-file";
  const progress = nodeProgress(seen, { key, moduleDigest, files, now, graceMs: GRACE_MS });
  return { step: progressStep(question, progress), nodes: nodeStates(pods, progress) };
}

function progressStep({ object, title }: CacheQuestion, progress: NodeProgress): StatusStep {
  const [namespace = "", name = ""] = title.split("/");
  const [broken] = progress.failed;
  if (broken !== undefined) {
    const [node, why] = broken;
    const image = object.metadata.annotations?.[IMAGE_ANNOTATION] ?? "";
    const message = `${progress.ready}/${progress.wanted} nodes; ${node} cannot fetch ${image}: ${why}`;
    return failed("nodes", message, fixOf(why, object, { namespace, name }));
  }
  if (progress.status === "done") return ok("nodes", progressText(progress));
  return waiting("nodes", progressText(progress), podsCommand({ namespace, name }));
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

function nodeStates(pods: readonly KubeObject[], progress: NodeProgress): readonly NodeState[] {
  const { open, failed: broken, passed } = progress;
  const bound = pods.map((pod) => stringAt(pod, "spec", "nodeName") ?? "").filter((node) => node !== "");
  const all = [...new Set([...bound, ...open.keys()])].toSorted((a, b) => (a < b ? -1 : 1));
  return all.map((node): NodeState => {
    const why = open.get(node);
    if (why === undefined) return { node, state: "ready", message: "has the module" };
    if (broken.has(node)) return { node, state: "failed", message: why };
    const more = passed.has(node) ? "; its proxies are served by other nodes" : "";
    return { node, state: "waiting", message: `${why}${more}` };
  });
}

function seenOf<T>(sight: Sight<T>, fallback: T): T {
  return "denied" in sight ? fallback : sight.seen;
}
