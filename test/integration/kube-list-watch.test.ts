import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectCluster } from "../../src/kube/adapter.ts";
import { createClient } from "../../src/kube/client.ts";
import { openCredentials } from "../../src/kube/credentials.ts";
import { follow } from "../../src/kube/follow.ts";
import { Kinds } from "../../src/kube/kinds.ts";
import { loadKubeconfig } from "../../src/kube/kubeconfig.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { watchEvents } from "../../src/kube/watch.ts";
import { type SteadyClock, systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { type FaultProxy, startFaultProxy } from "../cluster/fault-proxy.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";

const cluster = await component("cluster", sharedCluster);
const quick: SteadyClock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };

describe.skipIf("skip" in cluster)("lists and watches through a bad line", () => {
  let client: ClusterClient;
  let proxy: FaultProxy;
  let file: string;
  let namespace: string;
  let port: KubePort;
  const answers: string[] = [];

  beforeAll(async () => {
    if ("skip" in cluster) return;
    client = cluster.ready;
    proxy = await startFaultProxy(client);
    file = await proxy.kubeconfig(client.kubeconfigPath);
    namespace = await client.namespace("lists");
    const onAnswer = ({ method, code }: { method: string; code: string }): void =>
      void answers.push(`${method} ${code}`);
    port = await connectCluster({ clock: quick, events: () => undefined, onAnswer }, { file, env: {}, cwd: "/" });
    await Promise.all(
      Array.from({ length: 501 }, (_, index) => port.create(Kinds.configMap, map(`map-${index}`, { page: "yes" }))),
    );
  });
  afterAll(async () => {
    port.close();
    await proxy.stop();
  });
  beforeEach(() => {
    answers.length = 0;
    proxy.inject(() => undefined);
  });

  const map = (name: string, labels: Record<string, string>): KubeObject => {
    const data = { text: "x".repeat(1000) };
    return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels }, data };
  };
  const put = (name: string, labels: Record<string, string>): Promise<unknown> => client.apply(map(name, labels));
  const selection = () => ({ kind: Kinds.configMap, namespace, labelSelector: "page=yes" });

  it("begins a list anew that the server forgot half-way, and gives up when it always does", async () => {
    let first = true;
    proxy.inject(({ query }) => {
      const expired = first && query.has("continue");
      if (expired) first = false;
      return expired ? { status: 410, reason: "Expired" } : undefined;
    });
    expect((await port.list(selection())).items).toHaveLength(501);
    expect(answers).toEqual(["GET 200", "GET 410", "GET 200", "GET 200"]);
    proxy.inject(({ query }) => (query.has("continue") ? { status: 410, reason: "Expired" } : undefined));
    await expect(port.list(selection())).rejects.toMatchObject({ code: "KUBE_GONE" });
  });

  it("asks for metadata alone when that is enough, in lists and watches", async () => {
    const metadataOnly = { ...selection(), metadataOnly: true };
    const before = proxy.requests.length;
    const whole = await port.list(selection());
    const lean = await port.list(metadataOnly);
    expect(lean.items).toHaveLength(501);
    expect(lean.items.every(({ kind, apiVersion }) => kind === "ConfigMap" && apiVersion === "v1")).toBe(true);
    expect([whole, lean].map(({ items }) => items.filter((item) => "data" in item).length)).toEqual([501, 0]);
    const [full = 0, part = 0] = [0, 2].map((from) =>
      proxy.requests.slice(before + from, before + from + 2).reduce((sum, { received }) => sum + received, 0),
    );
    expect(part).toBeLessThan(full);
    const abort = new AbortController();
    const watching = port.watch(metadataOnly, lean.resourceVersion, abort.signal);
    await put("map-0", { page: "yes", more: "yes" });
    for await (const { type, object } of watching) {
      if (type === "BOOKMARK") continue;
      expect(object).toMatchObject({ kind: "ConfigMap", metadata: { name: "map-0", labels: { more: "yes" } } });
      expect(object).not.toHaveProperty("data");
      break;
    }
  });

  it("takes a watch that fell silent for dead", async () => {
    const source = await openCredentials(await loadKubeconfig({ file, env: {}, cwd: "/" }), {}, () => Date.now());
    const api = createClient({ source, clock: systemClock, warn: () => undefined });
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const { resourceVersion } = await port.list(selection());
    let opened = 0;
    const seen: string[] = [];
    const run = async (): Promise<void> => {
      const request = { path, selection: selection(), resourceVersion, opened: () => (opened += 1), silenceMs: 2000 };
      for await (const { type } of watchEvents(api, request)) seen.push(type);
    };
    const running = run();
    await waitFor("the watch", () => (opened === 1 ? true : undefined));
    await put("map-1", { page: "yes", more: "yes" });
    await waitFor("its event", () => (seen.includes("MODIFIED") ? true : undefined));
    proxy.breakWatches("silence");
    await expect(running).resolves.toBeUndefined();
    source.close();
  });

  it("follows for a command through cuts, and tells what cannot heal", async () => {
    const names: string[] = [];
    let refuse = false;
    proxy.inject(({ isWatch }) => (refuse && isWatch ? { status: 403, message: "no watching today" } : undefined));
    const run = async (): Promise<void> => {
      const one = { kind: Kinds.configMap, namespace, labelSelector: "followed=yes" };
      for await (const objects of follow({ port, clock: quick }, one)) names.push([...objects.keys()].join(","));
    };
    const running = run();
    running.catch(() => undefined);
    await waitFor("the list", () => (names.length === 1 ? true : undefined));
    for (const name of ["a", "b"]) {
      await waitFor("the watch", () => (proxy.watches() > 0 ? true : undefined));
      proxy.breakWatches("reset");
      await put(name, { followed: "yes" });
      await waitFor(name, () => (names.at(-1)?.endsWith(name) === true ? true : undefined));
    }
    expect(names).toEqual(["", "a", "a,b"]);
    await waitFor("the watch", () => (proxy.watches() > 0 ? true : undefined));
    refuse = true;
    proxy.breakWatches("end");
    await expect(running).rejects.toMatchObject({ code: "KUBE_DENIED" });
  });

  it("follows no longer than a minute what cannot be reached, and not at all what never could", async () => {
    const dead = { kind: Kinds.configMap, namespace, labelSelector: "followed=yes" };
    const waits: number[] = [];
    const clock = { ...quick, sleep: (ms: number) => Promise.resolve(void waits.push(ms)) };
    const run = async (): Promise<void> => {
      for await (const objects of follow({ port, clock }, dead)) {
        expect(objects.size).toBe(2);
        proxy.inject(() => ({ reset: "before" }));
      }
    };
    await expect(run()).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
    expect(waits).toHaveLength(8);
    expect(waits.every((wait, index) => wait >= 125 * 2 ** index && wait <= 375 * 2 ** index)).toBe(true);
    waits.length = 0;
    await expect(run()).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
    expect(waits).toEqual([]);
  });
});
