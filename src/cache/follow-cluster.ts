import { createReflector, type Reflector } from "../controller/reflector.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { KubePort } from "../kube/port.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { pullSecretName } from "../mesh/cache-objects.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import type { CacheName } from "./cache-events.ts";

/** What follows the cluster, and who hears of it. */
export interface FollowClusterOptions {
  readonly port: Pick<KubePort, "pages" | "watch">;
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly cache: CacheName;
  /** The list's data, at first and after each change; `undefined` when there is no such ConfigMap. */
  readonly onList: (data: Readonly<Record<string, string>> | undefined) => void;
  /** The docker configurations by key of the list, and the keys that changed. */
  readonly onSecrets: (secrets: ReadonlyMap<string, string>, changed: ReadonlySet<string>) => void;
}

/** What follows, for what asks how it does. */
export interface ClusterFollower {
  /** Why the list cannot be followed now; absent when it can. */
  trouble(): string | undefined;
  /** Follows until the signal ends it; never throws. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Follows the list and its pull secrets, one object each. The list is told only after the secrets were, or after a few
 * seconds without them: an image that needs one must not be refused for nothing.
 */
export function followCluster(options: FollowClusterOptions): ClusterFollower {
  const { cache, clock, onList, onSecrets } = options;
  const list = reflectorOf(options, Kinds.configMap, cache.name);
  const secrets = reflectorOf(options, Kinds.secret, pullSecretName(cache));
  let known: ReadonlyMap<string, string> = new Map();
  secrets.onChange(({ after }) => {
    const now = decode(after);
    const keys = [...new Set([...known.keys(), ...now.keys()])];
    const changed = new Set(keys.filter((key) => known.get(key) !== now.get(key)));
    known = now;
    onSecrets(now, changed);
  });
  const tellList = (): void => {
    const object = list.store.get(`${cache.namespace}/${cache.name}`);
    onList(object === undefined ? undefined : stringMapAt(object, "data"));
  };
  return {
    trouble: () => list.state().trouble,
    run: async (signal) => {
      const following = Promise.all([list.run(signal), secrets.run(signal)]);
      const patience = clock.sleep(SECRETS_MS, signal).catch(() => undefined);
      await Promise.race([Promise.all([list.synced, Promise.race([secrets.synced, patience])]), following]);
      if (!signal.aborted) {
        tellList();
        list.onChange(tellList);
      }
      await following;
    },
  };
}

/** Milliseconds. */
const SECRETS_MS = 5000;

function reflectorOf({ port, clock, log, cache }: FollowClusterOptions, kind: ResourceKind, name: string): Reflector {
  const selection = { kind, namespace: cache.namespace, fieldSelector: `metadata.name=${name}` };
  return createReflector({ port, clock, log }, selection);
}

function decode(secret: KubeObject | undefined): ReadonlyMap<string, string> {
  const data = secret === undefined ? {} : stringMapAt(secret, "data");
  return new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]));
}
