import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { follow } from "../../src/kube/follow.ts";
import { Kinds, type ResourceKind } from "../../src/kube/kinds.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject, PolicyRule } from "../cluster/api.ts";
import { startFaultProxy } from "../cluster/fault-proxy.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";

const cluster = await component("cluster", sharedCluster);

function configMap(name: string, namespace: string, data: Record<string, string>): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

function envoyFilter(namespace: string, spec: unknown): KubeObject {
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { name: "one", namespace },
    spec,
  };
}

async function open(kubeconfig: string, events: ProgressEvent[] = []): Promise<KubePort> {
  const deps = { clock: systemClock, events: (event: ProgressEvent) => void events.push(event) };
  return connectCluster(deps, { file: kubeconfig, env: {}, cwd: "/" });
}

describe.skipIf("skip" in cluster)("the Kubernetes adapter on a real API server", () => {
  let client: ClusterClient;
  let namespace: string;
  let port: KubePort;
  const events: ProgressEvent[] = [];
  const opened: KubePort[] = [];

  beforeAll(async () => {
    if ("skip" in cluster) return;
    client = cluster.ready;
    namespace = await client.namespace("kube");
    port = await open(await client.adminKubeconfig(namespace), events);
    opened.push(port);
  });
  afterAll(() => {
    for (const one of opened) one.close();
  });

  const limited = async (rules: readonly PolicyRule[]): Promise<KubePort> => {
    const one = await open(await client.tokenFor(rules, namespace));
    opened.push(one);
    return one;
  };

  it("takes namespace and server from the context", () => {
    expect(port.namespace).toBe(namespace);
    expect(port.server).toBe(client.server);
  });

  it("tells an absent object from an absent kind and an absent namespace", async () => {
    expect(await port.get({ kind: Kinds.configMap, name: "none", namespace })).toBeUndefined();
    const gone = { ...Kinds.wasmPlugin, version: "v9" };
    await expect(port.get({ kind: gone, name: "none", namespace })).rejects.toMatchObject({
      code: "KUBE_KIND_NOT_SERVED",
      kind: "incompatible",
    });
    const nowhere = configMap("one", "no-such-namespace", {});
    await expect(port.apply(Kinds.configMap, nowhere)).rejects.toMatchObject({
      code: "NAMESPACE_NOT_FOUND",
      kind: "not-found",
    });
  });

  it("applies, and applying the same again writes nothing", async () => {
    const first = await port.apply(Kinds.configMap, configMap("same", namespace, { a: "1" }));
    const second = await port.apply(Kinds.configMap, configMap("same", namespace, { a: "1" }));
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(first.metadata.managedFields?.map((row) => [row.manager, row.operation])).toEqual([["wasme-cli", "Apply"]]);
  });

  it("names the other manager and the field when someone else owns it", async () => {
    await client.apply({ ...configMap("owned", namespace, { a: "1" }) });
    const ours = configMap("owned", namespace, { a: "2" });
    await expect(port.apply(Kinds.configMap, ours)).rejects.toMatchObject({
      code: "KUBE_FIELD_CONFLICT",
      message: expect.stringMatching(/\.data\.a.*"wasme-test"/u) as string,
      hint: expect.stringContaining("--force-conflicts") as string,
    });
    const forced = await port.apply(Kinds.configMap, ours, { force: true });
    expect(forced["data"]).toEqual({ a: "2" });
  });

  it("refuses misspelt fields, and tells the field the schema refuses", async () => {
    const strict = envoyFilter(namespace, { configPatchez: [] });
    await expect(port.apply(Kinds.envoyFilter, strict)).rejects.toMatchObject({
      code: "KUBE_INVALID",
      message: expect.stringContaining("spec.configPatchez") as string,
    });
    const wrong = envoyFilter(namespace, { configPatches: [{ applyTo: "HTTP_FILTER", match: { context: "SIDE" } }] });
    await expect(port.apply(Kinds.envoyFilter, wrong)).rejects.toMatchObject({
      code: "KUBE_INVALID",
      message: expect.stringContaining("spec.configPatches[0].match.context") as string,
    });
    expect(await port.get({ kind: Kinds.envoyFilter, name: "one", namespace })).toBeUndefined();
  });

  it("stores nothing in a dry run", async () => {
    const made = await port.apply(Kinds.configMap, configMap("dry", namespace, { a: "1" }), { dryRun: true });
    expect(made["data"]).toEqual({ a: "1" });
    expect(await port.get({ kind: Kinds.configMap, name: "dry", namespace })).toBeUndefined();
  });

  it("refuses a patch of an outdated version, and creating twice", async () => {
    const made = await port.create(Kinds.configMap, configMap("race", namespace, { a: "1" }));
    const ref = { kind: Kinds.configMap, name: "race", namespace };
    const metadata = { resourceVersion: made.metadata.resourceVersion };
    await port.patch(ref, { metadata, data: { b: "2" } });
    await expect(port.patch(ref, { metadata, data: { b: "3" } })).rejects.toMatchObject({ code: "KUBE_CONFLICT" });
    await expect(port.create(Kinds.configMap, configMap("race", namespace, {}))).rejects.toMatchObject({
      code: "KUBE_ALREADY_EXISTS",
    });
  });

  it("deletes only the object it was told to", async () => {
    const made = await port.create(Kinds.configMap, configMap("gone", namespace, {}));
    const ref = { kind: Kinds.configMap, name: "gone", namespace };
    await expect(port.delete(ref, { uid: "00000000-0000-0000-0000-000000000000" })).rejects.toMatchObject({
      code: "KUBE_CONFLICT",
    });
    expect(await port.delete(ref, { dryRun: true })).toBe(true);
    expect(await port.delete(ref, { uid: made.metadata.uid ?? "" })).toBe(true);
    expect(await port.delete(ref)).toBe(false);
  });

  it("lists every page, with kind and version on each item", async () => {
    const labels = { page: "yes" };
    await Promise.all(
      Array.from({ length: 510 }, (_, index) =>
        port.create(Kinds.configMap, {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: `page-${index}`, namespace, labels },
        }),
      ),
    );
    const { items } = await port.list({ kind: Kinds.configMap, namespace, labelSelector: "page=yes" });
    expect(items).toHaveLength(510);
    expect(items.every((item) => item.kind === "ConfigMap" && item.apiVersion === "v1")).toBe(true);
  });

  it("knows which kinds are served", async () => {
    expect(await port.served(Kinds.trafficExtension)).toBe(true);
    expect(await port.served({ ...Kinds.trafficExtension, kind: "Nothing" })).toBe(false);
    expect(await port.served({ ...Kinds.trafficExtension, group: "no.such.group" })).toBe(false);
  });

  it("knows every kind that is kept in namespaces, once, and none that cannot be deleted", async () => {
    const kinds = await port.kindsInNamespaces();
    expect(kinds).toContainEqual(Kinds.pod);
    expect(kinds).toContainEqual(Kinds.envoyFilter);
    expect(kinds.filter(({ plural }) => plural === "horizontalpodautoscalers").map(({ version }) => version)).toEqual([
      "v2",
    ]);
    expect(kinds.filter(({ kind }) => ["Namespace", "Binding", "Deployment"].includes(kind))).toEqual([
      Kinds.deployment,
    ]);
  });

  it("follows changes until the caller has seen enough", async () => {
    const seen: string[] = [];
    const selection = { kind: Kinds.configMap, namespace, fieldSelector: "metadata.name=watched" };
    for await (const objects of follow({ port, clock: systemClock }, selection)) {
      const data = JSON.stringify(objects.get("watched")?.["data"] ?? null);
      if (seen.at(-1) !== data) seen.push(data);
      if (seen.length === 1) await port.create(Kinds.configMap, configMap("watched", namespace, { a: "1" }));
      if (seen.length === 2) {
        await port.patch({ kind: Kinds.configMap, name: "watched", namespace }, { data: { a: "2" } });
      }
      if (seen.length === 3) await port.delete({ kind: Kinds.configMap, name: "watched", namespace });
      if (seen.length === 4) break;
    }
    expect(seen).toEqual(["null", '{"a":"1"}', '{"a":"2"}', "null"]);
  });

  it("ends a watch on abort, with the reason", async () => {
    const abort = new AbortController();
    const { resourceVersion } = await port.list({ kind: Kinds.configMap, namespace });
    const run = async (): Promise<void> => {
      for await (const event of port.watch({ kind: Kinds.configMap, namespace }, resourceVersion, abort.signal)) {
        if (event.type === "BOOKMARK") break;
      }
    };
    const running = run();
    setTimeout(() => abort.abort(new Error("enough")), 50);
    await expect(running).rejects.toThrow("enough");
  });

  it("names verb and resource when RBAC refuses, and asks the server what is allowed", async () => {
    const reader = await limited([{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"] }]);
    expect(await reader.accessReview({ verb: "get", kind: Kinds.configMap, namespace })).toBe(true);
    expect(await reader.accessReview({ verb: "patch", kind: Kinds.deployment, namespace })).toBe(false);
    const ref = { kind: Kinds.deployment, name: "web", namespace };
    await expect(reader.patch(ref, { metadata: { labels: { a: "b" } } })).rejects.toMatchObject({
      kind: "unauthorised",
      code: "KUBE_FORBIDDEN",
      message: `not allowed to patch deployments.apps "web" in namespace ${JSON.stringify(namespace)}`,
      hint: expect.stringContaining(`kubectl auth can-i patch deployments.apps -n ${namespace}`) as string,
    });
  });

  it("refuses a wrong token as unauthorised", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wasme-kube-"));
    try {
      const good = await readFile(await client.adminKubeconfig(), "utf8");
      const file = join(folder, "config");
      await writeFile(file, good.replaceAll(client.adminToken, "not-the-token"));
      const stranger = await open(file);
      opened.push(stranger);
      await expect(stranger.list({ kind: Kinds.namespace })).rejects.toMatchObject({
        kind: "unauthorised",
        code: "KUBE_UNAUTHORISED",
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("does not trust a certificate of another authority", async () => {
    const folder = await mkdtemp(join(tmpdir(), "wasme-kube-"));
    try {
      const file = join(folder, "config");
      const good = await readFile(await client.adminKubeconfig(), "utf8");
      await writeFile(file, good.replace(/^ *certificate-authority-data:.*$/mu, ""));
      const stranger = await open(file);
      opened.push(stranger);
      await expect(stranger.list({ kind: Kinds.namespace })).rejects.toMatchObject({
        kind: "unreachable",
        code: "KUBE_TLS",
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("passes the server's warnings on, each once", async () => {
    await client.request(
      "PATCH",
      `/api/v1/namespaces/${namespace}`,
      {
        metadata: { labels: { "pod-security.kubernetes.io/warn": "restricted" } },
      },
      "application/merge-patch+json",
    );
    const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    const deployment = (name: string): KubeObject => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace },
      spec: { replicas: 0, selector: { matchLabels: { app: "x" } }, template },
    });
    await port.apply(Kinds.deployment, deployment("warned"));
    await port.apply(Kinds.deployment, deployment("warned-again"));
    const warnings = events.filter((event) => event.type === "warning");
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ message: expect.stringContaining("PodSecurity") as string });
  });

  it("refuses an unknown field of a patch or a new object as well", async () => {
    const odd = { ...configMap("odd", namespace, {}), datta: {} };
    await expect(port.create(Kinds.configMap, odd)).rejects.toMatchObject({ code: "KUBE_INVALID" });
    await port.create(Kinds.configMap, configMap("odd", namespace, {}));
    const ref = { kind: Kinds.configMap, name: "odd", namespace };
    await expect(port.patch(ref, { datta: {} })).rejects.toMatchObject({ code: "KUBE_INVALID" });
  });

  it("waits out the 429 that answers the first watches of a new kind", async () => {
    const proxy = await startFaultProxy(client);
    const waits: number[] = [];
    const clock = { ...systemClock, sleep: async (ms: number) => void waits.push(ms) };
    const file = await proxy.kubeconfig(await client.adminKubeconfig(namespace));
    const mine = await connectCluster({ clock, events: () => undefined }, { file, env: {}, cwd: "/" });
    try {
      // A real server answers so until the new kind's storage is ready: how often depends on how quick it is.
      let left = 2;
      proxy.inject(({ isWatch }) => (isWatch && left-- > 0 ? { status: 429, retryAfter: 1 } : undefined));
      await client.apply(configMap("watched", namespace, {}));
      const change = await firstChange(mine, Kinds.configMap, namespace);
      expect(change).toMatchObject({ type: "ADDED", object: { metadata: { namespace } } });
      expect(waits.map((ms) => Math.floor(ms / 1000))).toEqual([1, 1]);
    } finally {
      mine.close();
      await proxy.stop();
    }
  });
});

async function firstChange(port: KubePort, kind: ResourceKind, namespace: string): Promise<unknown> {
  for await (const event of port.watch({ kind, namespace }, "")) {
    if (event.type !== "BOOKMARK") return event;
  }
  return undefined;
}
