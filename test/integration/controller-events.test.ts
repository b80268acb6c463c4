import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createRecorder, type RecordedEvent, type Recorder } from "../../src/controller/event-recorder.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { type FaultProxy, startFaultProxy } from "../cluster/fault-proxy.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { memoryLog, type MemoryLog } from "../support/memory-log.ts";

const cluster = await component("cluster", sharedCluster);
const EVENTS = { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] };

interface StoredEvent extends KubeObject {
  readonly note: string;
  readonly series?: { readonly count: number };
}

describe.skipIf("skip" in cluster)("the event recorder on a real API server", () => {
  let client: ClusterClient;
  let proxy: FaultProxy;
  let namespace: string;
  let port: KubePort;
  let log: MemoryLog;
  let recorder: Recorder;
  let about: RecordedEvent["about"];

  beforeAll(async () => {
    if ("skip" in cluster) return;
    client = cluster.ready;
    proxy = await startFaultProxy(client);
  });
  afterAll(() => proxy.stop());
  beforeEach(async () => {
    namespace = await client.namespace("events");
    port = await open([EVENTS]);
    log = memoryLog();
    recorder = make(port);
    const [made] = await client.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "subject", namespace },
    });
    about = made as RecordedEvent["about"];
    proxy.inject(() => undefined);
    return () => port.close();
  });

  const open = async (rules: Parameters<ClusterClient["tokenFor"]>[0]): Promise<KubePort> => {
    const file = await proxy.kubeconfig(await client.tokenFor(rules, namespace));
    return connectCluster({ clock: systemClock, events: () => undefined }, { file, env: {}, cwd: "/" });
  };
  const make = (by: KubePort, instance = "cache-abc12"): Recorder =>
    createRecorder({ port: by, clock: systemClock, log, controller: "wasme.io/cache", instance });
  const event = (change: Partial<RecordedEvent> = {}): RecordedEvent => ({
    about,
    type: "Normal",
    reason: "ImageAdded",
    action: "Pull",
    note: "pulled ghcr.io/acme/auth:v1",
    ...change,
  });
  const stored = async (where = namespace): Promise<readonly StoredEvent[]> => {
    const answer = await client.request<{ items: StoredEvent[] }>(
      "GET",
      `/apis/events.k8s.io/v1/namespaces/${where}/events`,
    );
    return answer.body.items;
  };
  const requests = (): number => proxy.requests.filter(({ path }) => path.includes(`/${namespace}/events`)).length;

  it("writes an event that describes its subject, with labels and annotations", async () => {
    recorder.record(
      event({
        labels: { "cache.wasme.io/cache_event": "true" },
        annotations: { a: "b c" },
        namePrefix: "wasme-cache-event",
      }),
    );
    await recorder.flush();
    expect(log.text()).toBe("");
    const [one, ...others] = await stored();
    expect(others).toEqual([]);
    expect(one).toMatchObject({
      metadata: { labels: { "cache.wasme.io/cache_event": "true" }, annotations: { a: "b c" } },
      type: "Normal",
      reason: "ImageAdded",
      action: "Pull",
      note: "pulled ghcr.io/acme/auth:v1",
      reportingController: "wasme.io/cache",
      reportingInstance: "cache-abc12",
      regarding: { apiVersion: "v1", kind: "ConfigMap", name: "subject", namespace, uid: about.metadata.uid },
    });
    expect(one?.metadata.name).toMatch(/^wasme-cache-event\.[0-9a-f]{16}$/u);
    expect(one?.["eventTime"]).toMatch(/\.\d{6}Z$/u);
    // What kubectl get events and the old tool read.
    const old = await client.request<{ items: KubeObject[] }>(
      "GET",
      `/api/v1/namespaces/${namespace}/events?labelSelector=cache.wasme.io/cache_event=true`,
    );
    expect(old.body.items).toHaveLength(1);
  });

  it("counts what repeats in one series, and never floods", async () => {
    for (let index = 0; index < 1000; index += 1) recorder.record(event());
    await recorder.flush();
    expect(requests()).toBeLessThanOrEqual(26);
    const found = await stored();
    expect(found).toHaveLength(1);
    expect(found[0]?.series?.count).toBe(1000);
  });

  it("combines what is similar", async () => {
    for (let index = 0; index < 20; index += 1) recorder.record(event({ note: `could not pull number ${index}` }));
    await recorder.flush();
    const notes = (await stored()).map(({ note, series }) => `${note} ${series?.count ?? 1}`).toSorted();
    expect(notes).toHaveLength(11);
    expect(notes[0]).toBe("(combined from similar events): could not pull number 10 10");
  });

  it("fits whatever it is given into the API's limits", async () => {
    const name = `${"long.".repeat(50)}name`.slice(0, 253);
    const [made] = await client.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace } });
    const own = make(port, "i".repeat(500));
    const odd = { note: "🦀".repeat(5000), reason: "R".repeat(500), action: "A".repeat(500) };
    own.record(event({ ...odd, about: made as RecordedEvent["about"], type: "Warning", related: about }));
    await own.flush();
    expect(log.text()).toBe("");
    expect(await stored()).toHaveLength(1);
  });

  it("goes on in a new event when the server has dropped the old one, with its count", async () => {
    recorder.record(event());
    recorder.record(event());
    await recorder.flush();
    await client.request("DELETE", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    recorder.record(event());
    await recorder.flush();
    expect((await stored()).map(({ series }) => series?.count)).toEqual([3]);
  });

  it("tells events of cluster-scoped objects in the namespace default", async () => {
    const admin = await connectCluster(
      { clock: systemClock, events: () => undefined },
      { file: client.kubeconfigPath, env: {}, cwd: "/" },
    );
    const own = make(admin);
    const name = `node-of-${namespace}`;
    own.record(event({ about: { apiVersion: "v1", kind: "Node", metadata: { name } } }));
    await own.flush();
    admin.close();
    expect(log.text()).toBe("");
    expect(
      (await stored("default")).map(({ metadata }) => metadata.name).filter((one) => one.startsWith(name)),
    ).toHaveLength(1);
  });

  it("is only a courtesy: refused or cut off it says so once and bothers nobody", async () => {
    const mute = await open([{ ...EVENTS, verbs: ["patch"] }]);
    const own = make(mute);
    own.record(event());
    own.record(event({ reason: "Other" }));
    await own.flush();
    mute.close();
    expect(log.entries.map(({ level, message }) => `${level} ${message}`)).toEqual(["warn cannot write an event"]);
    expect(log.text()).toMatch(/not allowed to create events\.events\.k8s\.io "subject\.[0-9a-f]+" in namespace/u);
    proxy.inject(() => ({ reset: "before" }));
    recorder.record(event());
    await recorder.flush();
    expect(log.entries).toHaveLength(2);
    proxy.inject(() => undefined);
    recorder.record(event());
    await recorder.flush();
    // What got lost is counted.
    expect((await stored()).map(({ series }) => series?.count)).toEqual([2]);
  });
});
