import type { KubePort } from "../kube/port.ts";
import type { Log } from "../platform/json-log.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { CacheName } from "./cache-events.ts";
import { followCluster } from "./follow-cluster.ts";
import type { ImageLists } from "./image-lists.ts";
import type { NodeState } from "./node-state.ts";

/** What the cluster's list is followed with. */
export interface ClusterListDeps {
  readonly port: KubePort;
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly cache: CacheName;
  readonly lists: ImageLists;
  /** Remembers the list. */
  readonly state: NodeState;
  /** The docker configurations by key of the list, and the keys that changed. */
  readonly onSecrets: (secrets: ReadonlyMap<string, string>, changed: ReadonlySet<string>) => void;
}

/** The list as the cluster tells it. */
export interface ClusterList {
  /** Why it cannot be followed now; absent when it can. */
  trouble(): string | undefined;
  /** Follows it until the signal ends it. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The list of the cluster, and as long as that is not told, what an earlier run of this cache was told of it; after a
 * while that counts, so that a restart without the API server keeps no proxies away from what is here.
 */
export function createClusterList(deps: ClusterListDeps): ClusterList {
  const { clock, log, lists, state } = deps;
  if (state.list !== undefined) lists.setData(state.list, "memory");
  // A list that was deleted says nothing: whoever deletes it by mistake must not take filters away.
  const onList = (data: Readonly<Record<string, string>> | undefined): void => {
    if (data === undefined) log.warn("the list's ConfigMap is not there: what was listed last is kept");
    else state.list = data;
    lists.setData(data ?? state.list ?? {});
    state.save().catch((error: unknown) => log.warn("cannot remember the list", { error }));
  };
  const follower = followCluster({ ...deps, onList });
  const settle = async (signal: AbortSignal): Promise<void> => {
    await clock.sleep(MEMORY_MS, signal).catch(() => undefined);
    if (signal.aborted || lists.isKnown || state.list === undefined) return;
    log.warn("the API server does not answer: going by the list of the last run");
    lists.settle("cluster");
  };
  return {
    trouble: () => follower.trouble(),
    run: async (signal) => void (await Promise.all([follower.run(signal), settle(signal)])),
  };
}

/** How long the API server may take to tell the list before that of the last run counts. Milliseconds. */
export const MEMORY_MS = 10_000;
