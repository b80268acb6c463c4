import { shortDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { follow } from "../kube/follow.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { cachePodLabels } from "../mesh/cache-objects.ts";
import { NODE_LABEL } from "../mesh/node-report.ts";
import { relist } from "./apply-list.ts";
import { withDeadline } from "./deadline.ts";
import { inParallel } from "./in-parallel.ts";
import { type CacheSnapshot, isServed, type NodeProgress, nodeProgress, progressText } from "./node-progress.ts";
import type { ModuleWait } from "./plan.ts";
import { selectPods } from "./pods.ts";
import type { ClusterDeps, OldFailures } from "./request.ts";
import { labelText } from "./select-workloads.ts";

/** How often nodes are counted anew when no report changes: pods and nodes come and go in silence. Milliseconds. */
const COUNT_MS = 2000;

/** How long a failure may be one that a node told of before it knew of the new entry. Milliseconds. */
const STALE_MS = 15_000;

/**
 * Waits until every node that runs or may run a selected pod reports the module, so that no proxy is told of something it
 * cannot get. A node whose cache has been down for long is passed over, and at the deadline so is one that serves nobody.
 * Throws `MODULE_NOT_FETCHED` (failed) as soon as a node gives up, `MODULE_NOT_READY` (failed) when the time is over.
 */
export async function waitForModule(deps: ClusterDeps, step: ModuleWait, fresh: boolean): Promise<void> {
  if (step.timeoutMs === 0) return;
  const { clock, signal } = deps;
  const watch = new ModuleWatch(deps, step, fresh ? undefined : NONE_OLD);
  const late = (): Error => new WasmeError("failed", LATE, "");
  try {
    await withDeadline({ clock, ms: step.timeoutMs, signal, late }, async (both) => {
      for await (const _ of ticks(deps, step, both)) if (await watch.look(both)) return;
    });
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== LATE) throw error;
    watch.giveUp();
  }
}

/** Looks once: `undefined` when the wait is over, else how far it is. Throws `MODULE_NOT_FETCHED` as the wait does. */
export async function lookForModule(deps: ClusterDeps, step: ModuleWait, fresh: boolean): Promise<string | undefined> {
  if (step.timeoutMs === 0) return undefined;
  const { oldFailures = new Map<string, OldFailures>() } = deps;
  const key = `${title(step.cache)} ${step.entry.key}`;
  const watch = new ModuleWatch(deps, step, fresh ? undefined : (oldFailures.get(key) ?? NONE_OLD));
  const isOver = await watch.look(deps.signal);
  // Only a first look finds out what is old; the looks after it, of whoever needs the same entry, go by that.
  if (fresh && watch.old !== undefined) keepYoung(oldFailures, key, watch.old);
  return isOver ? undefined : watch.said;
}

/** What is older than it counts goes. */
function keepYoung(all: Map<string, OldFailures>, key: string, old: OldFailures): void {
  for (const [other, { since }] of all) if (old.since - since > STALE_MS) all.delete(other);
  if (old.failed.size > 0) all.set(key, old);
  else all.delete(key);
}

/** An entry that was there before: what nodes tell of it is true. */
const NONE_OLD: OldFailures = { failed: new Map(), since: 0 };

const LATE = "MODULE_LATE";

/** One tick for each change of a report, and one every now and then. */
async function* ticks(deps: ClusterDeps, { cache }: ModuleWait, signal: AbortSignal): AsyncGenerator<void> {
  const changes = follow(deps, reportsOf(cache), signal)[Symbol.asyncIterator]();
  let change = changes.next();
  try {
    for (;;) {
      const stop = new AbortController();
      const pause = deps.clock.sleep(COUNT_MS, AbortSignal.any([signal, stop.signal])).then(() => false);
      const changed = await Promise.race([change.then(() => true), pause]).finally(() => stop.abort());
      await pause.catch(() => undefined);
      if (changed) change = changes.next();
      yield;
    }
  } finally {
    // The list or watch under way ends with the signal; nobody is told of it any more.
    change.catch(() => undefined);
  }
}

/** What was seen of a module, from look to look. */
class ModuleWatch {
  readonly #deps: ClusterDeps;
  readonly #step: ModuleWait;
  /** Failures that were there when the entry had just been written: for a moment they may be of an earlier try. */
  old: OldFailures | undefined;
  #last: { readonly seen: CacheSnapshot; readonly progress: NodeProgress } | undefined;
  said = "";

  constructor(deps: ClusterDeps, step: ModuleWait, old: OldFailures | undefined) {
    this.#deps = deps;
    this.#step = step;
    this.old = old;
  }

  /** True when the wait is over. */
  async look(signal: AbortSignal | undefined): Promise<boolean> {
    const { clock } = this.#deps;
    const { entry, moduleDigest, timeoutMs, cache, pods } = this.#step;
    const seen = await snapshot(this.#deps, this.#step, signal);
    const files = pods !== undefined;
    const question = { key: entry.key, moduleDigest, files, now: clock.now(), graceMs: timeoutMs };
    const progress = nodeProgress(seen, question);
    this.#last = { seen, progress };
    const old = (this.old ??= { failed: progress.failed, since: clock.elapsed() });
    const isOver = clock.elapsed() - old.since > STALE_MS;
    const failure = [...progress.failed].find(([node, why]) => isOver || old.failed.get(node) !== why);
    if (failure !== undefined) throw notFetched(this.#step, failure);
    this.#say(seen.daemonSet === undefined ? `the node cache ${title(cache)} is not there` : progressText(progress));
    if (progress.status === "waiting") {
      await relist(this.#deps, { kind: Kinds.configMap, ...cache }, entry);
      return false;
    }
    this.#warnOfPassed(progress.passed);
    return true;
  }

  /** The time is over: that is an error, unless whoever asks for the module gets it all the same. */
  giveUp(): void {
    const { entry, cache, timeoutMs, moduleDigest, pods } = this.#step;
    if (this.#last !== undefined && isServed(this.#last.progress, this.#last.seen, { files: pods !== undefined })) {
      this.#warnOfPassed(new Set(this.#last.progress.open.keys()));
      return;
    }
    const message = `module of ${entry.value} is not on all nodes after ${timeoutMs / 1000} s: ${this.said}`;
    throw new WasmeError("failed", "MODULE_NOT_READY", message, {
      hint: `kubectl get pods -n ${cache.namespace} -o wide; --cache-timeout waits longer, 0 does not wait`,
      details: { moduleDigest },
    });
  }

  #say(text: string): void {
    const { moduleDigest } = this.#step;
    if (text !== this.said)
      this.#deps.events({ type: "milestone", message: `module ${shortDigest(moduleDigest)}: ${text}` });
    this.said = text;
  }

  #warnOfPassed(nodes: ReadonlySet<string>): void {
    if (nodes.size === 0) return;
    const names = [...nodes].slice(0, 5).join(", ");
    const message = `${nodes.size} ${nodes.size === 1 ? "node" : "nodes"} without a working node cache not waited for: ${names}`;
    this.#deps.events({ type: "warning", message: `${message}; proxies there are served by other nodes` });
  }
}

async function snapshot(deps: ClusterDeps, step: ModuleWait, signal: AbortSignal | undefined): Promise<CacheSnapshot> {
  const { port } = deps;
  const { cache } = step;
  const { namespace, name } = cache;
  const ownPods = { kind: Kinds.pod, namespace, labelSelector: labelText(cachePodLabels({ name })) };
  const [daemonSet, pods, reports, readers] = await Promise.all([
    port.get({ kind: Kinds.daemonSet, namespace, name }, signal),
    port.list(ownPods, signal),
    port.list(reportsOf(cache), signal),
    readersOf(deps, step, signal),
  ]);
  return { daemonSet, pods: pods.items, reports: reports.items, readers };
}

function reportsOf(cache: ModuleWait["cache"]): Parameters<typeof follow>[1] {
  const labelSelector = `${labelText(cachePodLabels(cache))},${NODE_LABEL}`;
  return { kind: Kinds.configMap, namespace: cache.namespace, labelSelector };
}

/** The nodes of pods that read the module as a file. */
async function readersOf(
  deps: ClusterDeps,
  { pods = [] }: ModuleWait,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const namespaces = [...new Set(pods.map(({ namespace }) => namespace))];
  const lists = await inParallel(namespaces, (namespace) => deps.port.list({ kind: Kinds.pod, namespace }, signal));
  const readers = selectPods(
    lists.flatMap(({ items }) => items),
    pods,
  );
  return new Set(readers.flatMap((pod) => nodeOf(pod)));
}

function nodeOf(pod: KubeObject): readonly string[] {
  const node = stringAt(pod, "spec", "nodeName");
  return node === undefined || node === "" ? [] : [node];
}

function title(cache: ModuleWait["cache"]): string {
  return `${cache.namespace}/${cache.name}`;
}

function notFetched(step: ModuleWait, [node, why]: readonly [string, string]): WasmeError {
  const { entry, cache } = step;
  const ref: ObjectRef = { kind: Kinds.configMap, ...cache };
  const message = `node ${node} cannot fetch ${entry.value} into the node cache ${title(cache)}: ${why}`;
  return new WasmeError("failed", "MODULE_NOT_FETCHED", message, {
    hint: "correct that and run the same command again; --pull-secret names credentials, --delivery registry does without the cache",
    details: { node, list: `${ref.namespace ?? ""}/${ref.name}`, key: entry.key },
  });
}
