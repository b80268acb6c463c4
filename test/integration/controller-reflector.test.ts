import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHealth } from "../../src/controller/health.ts";
import { createReflector, type Reflector, type StoreChange } from "../../src/controller/reflector.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { Kinds } from "../../src/kube/kinds.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { type SteadyClock, systemClock } from "../../src/platform/clock.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { type FaultProxy, startFaultProxy } from "../cluster/fault-proxy.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { memoryLog, type MemoryLog } from "../support/memory-log.ts";

const own = await component("cluster", () => startCluster({ nodes: 0, crds: "none" }));

/** Pauses are a tenth as long. */
const quick: SteadyClock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms / 10, signal),
};

describe.skipIf("skip" in own)("a reflector on a real API server", () => {
  let cluster: Cluster;
  let namespace: string;
  let proxy: FaultProxy;
  let port: KubePort;
  let log: MemoryLog;
  let stop: AbortController;
  let running: Promise<void>;
  const changes: StoreChange[] = [];

  beforeAll(() => {
    if (!("skip" in own)) cluster = own.ready;
  });
  afterAll(() => cluster.stop());
  beforeEach(async () => {
    namespace = await cluster.namespace("reflector");
    proxy = await startFaultProxy(cluster);
    port = await open(await proxy.kubeconfig(cluster.kubeconfigPath));
    log = memoryLog();
    stop = new AbortController();
    running = Promise.resolve();
    changes.length = 0;
  });
  afterEach(async () => {
    stop.abort();
    await running;
    port.close();
    await proxy.stop();
  });

  const open = (file: string): Promise<KubePort> => {
    return connectCluster(
      { clock: quick, events: () => undefined, fieldManager: "wasme-operator" },
      { file, env: {}, cwd: "/" },
    );
  };
  const follow = (labelSelector?: string): Reflector => {
    const selection = { kind: Kinds.configMap, namespace, ...(labelSelector === undefined ? {} : { labelSelector }) };
    const reflector = createReflector({ port, clock: quick, log }, selection);
    reflector.onChange((change) => changes.push(change));
    running = reflector.run(stop.signal);
    return reflector;
  };
  const path = (name = ""): string => `/api/v1/namespaces/${namespace}/configmaps/${name}`;
  const put = async (name: string, value = "1", labels: Record<string, string> = { app: "x" }): Promise<void> => {
    await cluster.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace, labels },
      data: { value },
    });
  };
  const remove = (name: string): Promise<unknown> => cluster.request("DELETE", path(name));
  const names = (reflector: Reflector): string[] =>
    reflector.store
      .list()
      .map(({ metadata }) => metadata.name)
      .toSorted();
  const until = (reflector: Reflector, wanted: readonly string[]): Promise<unknown> =>
    waitFor(
      `the store to hold ${wanted.join(", ")}`,
      () => (JSON.stringify(names(reflector)) === JSON.stringify(wanted) ? true : undefined),
      { detail: () => `${names(reflector).join(", ")}\n${log.text()}` },
    );
  const told = (): string[] =>
    changes.map(({ key, before, after, initial }) => {
      const what = before === undefined ? "added" : after === undefined ? "gone" : "changed";
      return `${key.split("/")[1]} ${what}${initial ? " at the start" : ""}`;
    });

  it("lists, follows, and tells what was there at the start from what came later", async () => {
    await put("one");
    await put("two");
    const reflector = follow("app=x");
    await reflector.synced;
    expect(reflector.state()).toEqual({ synced: true });
    expect(names(reflector)).toEqual(["one", "two"]);
    await put("three");
    await put("one", "2");
    await put("other", "1", { app: "y" });
    await put("two", "1", { app: "y" });
    await remove("one");
    await until(reflector, ["three"]);
    expect(told()).toEqual([
      "one added at the start",
      "two added at the start",
      "three added",
      "one changed",
      "two gone",
      "one gone",
    ]);
    // Nobody reads them, and they are often the largest part.
    expect(changes.some(({ after }) => after?.metadata.managedFields !== undefined)).toBe(false);
    expect(changes[0]?.after).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { value: "1" } });
    expect(
      proxy.requests.filter(({ isWatch }) => isWatch).every(({ query }) => query.get("allowWatchBookmarks") === "true"),
    ).toBe(true);
  });

  it("goes on at once where a watch ended, losing and repeating nothing", async () => {
    const reflector = follow();
    await reflector.synced;
    await until(reflector, []);
    for (const [index, how] of (["end", "reset", "end", "reset"] as const).entries()) {
      await waitFor("the watch", () => (proxy.watches() === 1 ? true : undefined));
      const before = proxy.requests.length;
      proxy.breakWatches(how);
      await put(`map-${index}`);
      await waitFor("the change", () => (reflector.store.size === index + 1 ? true : undefined));
      expect(proxy.requests.slice(before).every(({ isWatch }) => isWatch)).toBe(true);
    }
    expect(told()).toEqual([0, 1, 2, 3].map((index) => `map-${index} added`));
  });

  it.each([
    ["as an answer", { status: 410, reason: "Expired" }],
    ["as an event", { errorEvent: { code: 410, reason: "Expired" } }],
  ] as const)("lists anew after a 410 %s, and tells the differences only", async (_how, fault) => {
    for (const name of ["same", "changed", "gone"]) await put(name);
    const reflector = follow();
    await reflector.synced;
    await waitFor("the watch", () => (proxy.watches() === 1 ? true : undefined));
    changes.length = 0;
    proxy.inject(({ isWatch }) => (isWatch ? { status: 503, retryAfter: 0 } : undefined));
    proxy.breakWatches("reset");
    await put("changed", "2");
    await remove("gone");
    await put("new");
    let expired = 0;
    proxy.inject(({ isWatch }) => (isWatch && expired++ === 0 ? fault : undefined));
    await until(reflector, ["changed", "new", "same"]);
    await waitFor("three changes", () => (changes.length >= 3 ? true : undefined));
    expect(told().toSorted()).toEqual(["changed changed", "gone gone", "new added"]);
    await put("same", "2");
    await waitFor("the watch after it", () => (told().includes("same changed") ? true : undefined));
    // A version that is forgotten is nothing to complain about.
    expect(log.entries.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("survives a server that is killed and comes back knowing nothing of old versions", async () => {
    for (const name of ["stays", "goes"]) await put(name);
    const reflector = follow();
    await reflector.synced;
    changes.length = 0;
    await cluster.killServer();
    await waitFor("the trouble", () => reflector.state().trouble);
    expect(names(reflector)).toEqual(["goes", "stays"]);
    // The proxy refuses watches until the server has written so much that the old version is out of its window.
    proxy.inject(({ isWatch }) => (isWatch ? { status: 500, message: "not yet" } : undefined));
    await cluster.restartServer();
    await remove("goes");
    await put("comes");
    proxy.inject(() => undefined);
    await until(reflector, ["comes", "stays"]);
    await waitFor("its health", () => (reflector.state().trouble === undefined ? true : undefined));
    expect(told().toSorted()).toEqual(["comes added", "goes gone"]);
  });

  it("says what RBAC refuses, in its log once and in readyz, and heals when the rule comes", async () => {
    await put("one");
    const rule = { apiGroups: [""], resources: ["configmaps"] };
    const file = await cluster.tokenFor([{ ...rule, verbs: ["list"] }], namespace);
    port.close();
    port = await open(file);
    const reflector = follow();
    await reflector.synced;
    const health = createHealth();
    health.addReflector(reflector);
    const trouble = await waitFor("the trouble", () => reflector.state().trouble);
    expect(trouble).toBe(`not allowed to watch configmaps in namespace "${namespace}"`);
    await put("two");
    // Where watching is forbidden it lists again and again.
    await until(reflector, ["one", "two"]);
    const [account = ""] = /(?<=name: )limited-[0-9a-f]+/u.exec(await readFile(file, "utf8")) ?? [];
    await cluster.request(
      "PATCH",
      `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/${account}`,
      { rules: [{ ...rule, verbs: ["list", "watch"] }] },
      "application/merge-patch+json",
    );
    await waitFor("its health", () => (reflector.state().trouble === undefined ? true : undefined));
    const complaints = log.entries.filter(({ level }) => level === "warn");
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toMatchObject({
      fields: {
        error: { code: "KUBE_FORBIDDEN", hint: expect.stringContaining("kubectl auth can-i watch") as string },
      },
    });
    await put("three");
    await until(reflector, ["one", "three", "two"]);
  });

  it("lives through 429, 500, resets and lost answers", async () => {
    const reflector = follow();
    await reflector.synced;
    let tick = 0;
    const faults = [
      { status: 429, retryAfter: 0 },
      { status: 500 },
      { reset: "before" },
      { errorEvent: { code: 500 } },
    ] as const;
    proxy.inject(() => (tick++ % 3 === 2 ? undefined : faults[tick % faults.length]));
    for (let index = 0; index < 5; index += 1) {
      await put(`map-${index}`);
      proxy.breakWatches("reset");
    }
    await until(
      reflector,
      [0, 1, 2, 3, 4].map((index) => `map-${index}`),
    );
    expect(told()).toEqual([0, 1, 2, 3, 4].map((index) => `map-${index} added`));
  });
});
