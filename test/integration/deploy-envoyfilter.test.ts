import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../src/deploy/apply-plan.ts";
import { cacheObjects } from "../../src/deploy/plan-cache.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { Kinds } from "../../src/kube/kinds.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { FILES_VOLUME } from "../../src/mesh/module-volume.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { type Bench, imageOf, openBench, templateAnnotations, workload } from "./deploy-support.ts";

const cluster = await component("cluster", sharedCluster);
const APPS = "apps/v1";
const ISTIO = "networking.istio.io/v1alpha3";
const MINE = '[{"name":"mine",   "emptyDir":{}}]';
const MINE_MOUNT = '[{"mountPath":"/mine", "name":"mine"}]';
const OWN = { "sidecar.istio.io/userVolume": MINE, "sidecar.istio.io/userVolumeMount": MINE_MOUNT };

const CACHE = {
  name: "wasme-cache",
  image: "registry.example.com/wasme:0.1.0",
  imagePullPolicy: "IfNotPresent",
} as const;

interface Live extends KubeObject {
  readonly metadata: KubeObject["metadata"] & { readonly generation: number; readonly resourceVersion: string };
  readonly status: { readonly updatedReplicas?: number };
}

describe.skipIf("skip" in cluster)("deploy istio by EnvoyFilter on a real API server", () => {
  let client: ClusterClient;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });

  const withWeb = async (prefix: string, shape: Parameters<typeof workload>[1] = {}): Promise<Bench> => {
    const bench = await openBench(client, prefix);
    await client.apply(workload(bench.namespace, shape));
    return bench;
  };
  const exists = async (path: string): Promise<boolean> => (await client.request("GET", path)).status === 200;

  it("makes the cache, lists the module, mounts, rolls out, and writes the EnvoyFilter last", async () => {
    const bench = await withWeb("full");
    const result = await bench.deploy();
    const words = result.outcomes.map(({ ref, outcome }) => `${ref.kind.kind} ${outcome}`);
    expect(words).toEqual([
      "Namespace created",
      "ConfigMap created",
      "ServiceAccount created",
      "Role created",
      "RoleBinding created",
      "Service created",
      "DaemonSet created",
      "Deployment changed",
      "EnvoyFilter created",
    ]);
    const web = await bench.read<Live>(APPS, "deployments/web");
    expect(templateAnnotations(web)).toMatchObject({
      "sidecar.istio.io/userVolumeMount": '[{"mountPath":"/var/lib/wasme","name":"wasme-cache","readOnly":true}]',
    });
    expect(web.status.updatedReplicas).toBe(2);
    const map = (
      await client.request<{ data: Record<string, string> }>(
        "GET",
        `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`,
      )
    ).body;
    expect(Object.values(map.data)).toEqual([`registry.example.com/team/hello:v1@${result.manifestDigest}`]);
    const filter = await bench.read(ISTIO, "envoyfilters/web-hello");
    expect(filter.metadata.labels).toMatchObject({ "wasme.io/filter": "hello", "wasme.io/workload": "web" });
    expect(JSON.stringify(filter["spec"])).toContain(`/var/lib/wasme/${result.moduleDigest.slice(7)}.wasm`);
    const milestones = bench.events.flatMap((event) => (event.type === "milestone" ? [event.message] : []));
    const order = ["2/2 nodes", "2 pods run the new template", `EnvoyFilter ${bench.namespace}/web-hello created`];
    const places = order.map((text) => milestones.findIndex((line) => line.includes(text)));
    // Nodes may have come during the roll-out: they are counted again.
    expect(milestones.filter((line) => line.includes("2/2 nodes"))).toHaveLength(2);
    expect(places.every((place) => place >= 0) && places.toSorted((a, b) => a - b)).toEqual(places);
  });

  it("writes nothing when it is run again", async () => {
    const bench = await withWeb("again");
    await bench.deploy();
    const before = await versions(bench);
    const result = await bench.deploy();
    expect(new Set(result.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["unchanged"]));
    expect(await versions(bench)).toEqual(before);
  });

  it("puts a second filter on a workload without restarting it, and takes one away without hurting the other", async () => {
    const bench = await withWeb("two", { annotations: OWN });
    await bench.deploy();
    const first = await bench.read<Live>(APPS, "deployments/web");
    await bench.deploy(
      { id: "other", config: "x", delivery: "cache-file" },
      imageOf("registry.example.com/team/other:v2"),
    );
    const second = await bench.read<Live>(APPS, "deployments/web");
    expect(second.metadata.generation).toBe(first.metadata.generation);

    await bench.undeploy();
    const third = await bench.read<Live>(APPS, "deployments/web");
    expect(third.metadata.generation).toBe(first.metadata.generation);
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);
    expect(await bench.status(ISTIO, "envoyfilters/web-other")).toBe(200);

    const last = await bench.undeploy({ id: "other" });
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual(OWN);
    expect(last.outcomes.map(({ ref, outcome }) => `${ref.kind.kind} ${outcome}`)).toEqual([
      "EnvoyFilter deleted",
      "Deployment changed",
      "ConfigMap deleted",
      "DaemonSet deleted",
      "Service deleted",
      "RoleBinding deleted",
      "Role deleted",
      "ServiceAccount deleted",
      "Namespace deleted",
    ]);
  });

  it("leaves a workload without annotations as it was", async () => {
    const bench = await withWeb("bare");
    await bench.deploy();
    await bench.undeploy();
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual({});
  });

  it("keeps what the user changed in the annotation meanwhile", async () => {
    const bench = await withWeb("meanwhile", { annotations: OWN });
    await bench.deploy();
    const now = templateAnnotations(await bench.read(APPS, "deployments/web"));
    const list = JSON.parse(now["sidecar.istio.io/userVolume"] ?? "") as unknown[];
    const value = JSON.stringify([...list, { name: "late", emptyDir: {} }]);
    await annotate(bench, "web", { "sidecar.istio.io/userVolume": value });
    await bench.undeploy();
    const after = templateAnnotations(await bench.read(APPS, "deployments/web"));
    expect(JSON.parse(after["sidecar.istio.io/userVolume"] ?? "")).toEqual([
      { name: "mine", emptyDir: {} },
      { name: "late", emptyDir: {} },
    ]);
    expect(after["sidecar.istio.io/userVolumeMount"]).toBe(MINE_MOUNT);
  });

  it.each(["DaemonSet", "StatefulSet"] as const)("deploys to a %s and back", async (kind) => {
    const bench = await withWeb(kind.toLowerCase(), { kind });
    const workloads = { kind, namespace: bench.namespace, labels: { app: "web" } };
    await bench.deploy({ workloads });
    const path = `${kind.toLowerCase()}s/web`;
    expect(templateAnnotations(await bench.read(APPS, path))).toHaveProperty(["sidecar.istio.io/userVolume"]);
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(200);
    await bench.undeploy({ workloads });
    expect(templateAnnotations(await bench.read(APPS, path))).toEqual({});
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);
  });

  it("patches a gateway's own pod template, and takes its volume out again", async () => {
    const bench = await withWeb("gateway", { containers: ["istio-proxy", "helper"] });
    const before = await bench.read(APPS, "deployments/web");
    await bench.deploy({ patchContext: "gateway" });
    const mounted = JSON.stringify((await bench.read(APPS, "deployments/web"))["spec"]);
    expect(mounted).toContain('"hostPath":{"path":"/var/lib/wasme","type":"DirectoryOrCreate"}');
    expect(mounted).toContain('"mountPath":"/var/lib/wasme"');
    await bench.undeploy();
    expect((await bench.read(APPS, "deployments/web"))["spec"]).toEqual(before["spec"]);
  });

  it("refuses a gateway context on pods without a proxy container, naming the way out", async () => {
    const bench = await withWeb("no-gateway");
    await expect(bench.deploy({ patchContext: "gateway" })).rejects.toMatchObject({
      kind: "incompatible",
      hint: expect.stringContaining("--via wasmplugin") as string,
    });
    expect(await exists(`/api/v1/namespaces/${bench.cacheNamespace}`)).toBe(false);
  });

  it("refuses files where pod security forbids them, before anything is changed", async () => {
    const bench = await withWeb("secure");
    await label(bench.namespace, { "pod-security.kubernetes.io/enforce": "baseline" });
    await expect(bench.deploy()).rejects.toMatchObject({
      kind: "incompatible",
      code: "VIA_UNSUITABLE",
      message: expect.stringContaining('"baseline"') as string,
      hint: expect.stringContaining("--via wasmplugin") as string,
    });
    expect(await exists(`/api/v1/namespaces/${bench.cacheNamespace}`)).toBe(false);
    const auto = await bench.deploy({ via: "auto" });
    expect(auto.via).toBe("trafficextension");
  });

  it("names the workload whose annotation is not JSON, and changes nothing", async () => {
    const bench = await withWeb("broken", { annotations: { "sidecar.istio.io/userVolume": "mine:/x" } });
    await expect(bench.deploy()).rejects.toMatchObject({
      kind: "usage",
      code: "ANNOTATION_INVALID",
      message: expect.stringMatching(/^deployment\/web: .*sidecar\.istio\.io\/userVolume/u) as string,
    });
    expect(await exists(`/api/v1/namespaces/${bench.cacheNamespace}`)).toBe(false);
  });

  it("survives edits by others between plan and write", async () => {
    const bench = await withWeb("race");
    const edits = (async () => {
      for (let round = 0; round < 20; round += 1) await annotate(bench, "web", { round: String(round) });
    })();
    await bench.deploy();
    await edits;
    const annotations = templateAnnotations(await bench.read(APPS, "deployments/web"));
    expect(annotations["round"]).toBe("19");
    expect(annotations).toHaveProperty(["sidecar.istio.io/userVolume"]);
  });

  it("does not lose what somebody else writes into the same annotation at the last moment", async () => {
    const bench = await withWeb("lost");
    const file = await client.adminKubeconfig(bench.namespace);
    const real = await connectCluster({ clock: systemClock, events: () => undefined }, { file, env: {}, cwd: "/" });
    const live = await real.get({ kind: Kinds.deployment, name: "web", namespace: bench.namespace });
    let quicker = true;
    const port: KubePort = {
      ...real,
      get: async (ref, signal) => {
        const found = await real.get(ref, signal);
        if (quicker) await annotate(bench, "web", { "sidecar.istio.io/userVolume": MINE });
        quicker = false;
        return found;
      },
    };
    try {
      const ref = { kind: Kinds.deployment, name: "web", namespace: bench.namespace };
      const edit = { place: "sidecar", direction: "mount", volume: FILES_VOLUME } as const;
      const change = { type: "edit", action: "update", ref, edit, reason: "", before: live } as const;
      await applyPlan(
        { port, clock: systemClock, events: () => undefined },
        { steps: [change] },
        { force: false, waits: "block" },
      );
      const annotations = templateAnnotations(await bench.read(APPS, "deployments/web"));
      const names = (JSON.parse(annotations["sidecar.istio.io/userVolume"] ?? "") as { name: string }[]).map(
        ({ name }) => name,
      );
      expect(names).toEqual(["mine", "wasme-cache"]);
    } finally {
      real.close();
    }
  });

  it("takes two deploys of different filters at once", async () => {
    const bench = await withWeb("at-once", { annotations: OWN });
    const results = await Promise.allSettled([
      bench.deploy(),
      bench.deploy({ id: "other" }, imageOf("registry.example.com/team/other:v2")),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(200);
    expect(await bench.status(ISTIO, "envoyfilters/web-other")).toBe(200);
    const map = (
      await client.request<{ data: Record<string, string> }>(
        "GET",
        `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`,
      )
    ).body;
    expect(Object.keys(map.data)).toHaveLength(2);
    await bench.undeploy();
    await bench.undeploy({ id: "other" });
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual(OWN);
  });

  it("stops at a roll-out that fails, says why, and leaves the EnvoyFilter unwritten", async () => {
    const bench = await withWeb("stuck", {
      annotations: { "wasme.test/fail": "ImagePullBackOff" },
      spec: { progressDeadlineSeconds: 3 },
    });
    await expect(bench.deploy()).rejects.toMatchObject({
      kind: "failed",
      code: "ROLLOUT_FAILED",
      message: expect.stringMatching(/^deployment\/web did not roll out: .*ImagePullBackOff/u) as string,
      details: { notDone: [`create EnvoyFilter ${bench.namespace}/web-hello`] },
    });
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);
    const said = bench.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(said.at(-1)).toMatch(
      /^stopped; done: Namespace .*Deployment .*\/web changed; not done: create EnvoyFilter .*\/web-hello$/u,
    );
    await annotate(bench, "web", { "wasme.test/fail": null });
    await bench.deploy();
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(200);
  });

  it("warns of a paused workload, and says so when the time is over", async () => {
    const bench = await withWeb("paused", { spec: { paused: true } });
    await expect(bench.deploy({ timeoutMs: 1500 })).rejects.toMatchObject({
      code: "ROLLOUT_FAILED",
      message: expect.stringContaining("it is paused") as string,
      hint: expect.stringContaining(`kubectl rollout resume deployment/web -n ${bench.namespace}`) as string,
    });
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "warning", message: expect.stringContaining("paused") as string }),
    );
  });

  it("leaves everything as it is in a server dry run", async () => {
    const bench = await withWeb("dry", { annotations: OWN });
    const before = await versions(bench);
    const first = await bench.deploy({ dryRun: "server" });
    expect(first.diff).toContain("+++ new EnvoyFilter");
    expect(first.diff).toContain("+++ new DaemonSet");
    expect(first.diff).toContain(`+        sidecar.istio.io/userVolume:`);
    expect(await versions(bench)).toEqual(before);
    expect(await exists(`/api/v1/namespaces/${bench.cacheNamespace}`)).toBe(false);

    await bench.deploy();
    const deployed = await versions(bench);
    expect((await bench.deploy({ dryRun: "server" })).diff).toBe("");
    const changed = await bench.deploy({ dryRun: "server", config: "new" });
    expect(changed.diff).toMatch(/^\+ +value: new$/mu);
    const gone = await bench.undeploy({ dryRun: "server" });
    expect(gone.diff).toContain("+++ /dev/null");
    expect(await versions(bench)).toEqual(deployed);
  });

  it("leaves a cache alone that somebody else installed", async () => {
    const bench = await withWeb("foreign");
    const other = await openBench(client, "foreign-twin");
    await client.apply(workload(other.namespace));
    // The twin's cache, installed again under another manager: as a chart would.
    await other.deploy();
    const copies: KubeObject[] = [];
    for (const path of ["apis/apps/v1", "api/v1"]) {
      const plural = path === "api/v1" ? "configmaps" : "daemonsets";
      const { body } = await client.request<KubeObject>(
        "GET",
        `/${path}/namespaces/${other.cacheNamespace}/${plural}/wasme-cache`,
      );
      const { apiVersion, kind } = body;
      const labels = body.metadata.labels ?? {};
      copies.push({
        apiVersion,
        kind,
        metadata: { name: "wasme-cache", labels },
        ...(kind === "DaemonSet" ? { spec: body["spec"] } : {}),
      });
    }
    await client.request("POST", "/api/v1/namespaces", { metadata: { name: bench.cacheNamespace } });
    await client.apply(copies, bench.cacheNamespace);
    const result = await bench.deploy();
    expect(result.outcomes.map(({ ref }) => ref.kind.kind)).toEqual(["ConfigMap", "Deployment", "EnvoyFilter"]);
    await bench.undeploy();
    expect(await exists(`/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`)).toBe(true);
  });

  it("touches no workload before the nodes hold the module", async () => {
    const bench = await withWeb("nodes");
    await client.request("POST", "/api/v1/namespaces", { metadata: { name: bench.cacheNamespace } });
    const settings = { ...CACHE, namespace: bench.cacheNamespace, files: true };
    const parts = cacheObjects(settings).map(({ object }) => object as KubeObject);
    await client.apply(
      parts.filter(({ kind }) => kind === "ConfigMap" || kind === "ServiceAccount" || kind === "DaemonSet"),
    );
    bench.nodes.hold();
    const cache = { ...CACHE, namespace: bench.cacheNamespace };
    await expect(bench.deploy({ cache: { ...cache, timeoutMs: 700 } })).rejects.toMatchObject({
      kind: "failed",
      code: "MODULE_NOT_READY",
      message: expect.stringMatching(/after 0\.7 s: (?:0\/2 nodes|the node cache)/u) as string,
      hint: expect.stringContaining("--cache-timeout") as string,
    });
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual({});
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);

    const deploying = bench.deploy({ cache: { ...cache, timeoutMs: 30_000 } });
    bench.nodes.release();
    await deploying;
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(200);
  });

  it("keeps the cache's namespace when somebody else lives in it", async () => {
    const bench = await withWeb("lodger");
    await bench.deploy();
    await client.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "lodger" } }, bench.cacheNamespace);
    await bench.undeploy();
    expect(await exists(`/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`)).toBe(false);
    const space = await client.request<KubeObject>("GET", `/api/v1/namespaces/${bench.cacheNamespace}`);
    expect(space.body.metadata["deletionTimestamp"]).toBeUndefined();
  });

  it("replaces the same filter carried by another kind", async () => {
    const bench = await withWeb("switch");
    await bench.deploy({ via: "wasmplugin" });
    const result = await bench.deploy();
    expect(result.outcomes.at(-1)).toMatchObject({ ref: { name: "web-hello" }, outcome: "deleted" });
    expect(await bench.status("extensions.istio.io/v1alpha1", "wasmplugins/web-hello")).toBe(404);
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(200);
  });

  const annotate = async (bench: Bench, name: string, annotations: Record<string, string | null>): Promise<void> => {
    const path = `/apis/apps/v1/namespaces/${bench.namespace}/deployments/${name}`;
    const patch = { spec: { template: { metadata: { annotations } } } };
    const { status } = await client.request("PATCH", path, patch, "application/merge-patch+json");
    expect(status).toBe(200);
  };
  const label = async (namespace: string, labels: Record<string, string>): Promise<void> => {
    await client.request(
      "PATCH",
      `/api/v1/namespaces/${namespace}`,
      { metadata: { labels } },
      "application/merge-patch+json",
    );
  };
  /** Who was written last, of everything a deploy may touch: the version moves with each write but those of status. */
  const versions = async (bench: Bench): Promise<unknown> => {
    const paths = [
      `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`,
      `/apis/${ISTIO}/namespaces/${bench.namespace}/envoyfilters/web-hello`,
      `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`,
      `/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`,
    ];
    return Promise.all(
      paths.map(async (path) => {
        const { status, body } = await client.request<Live>("GET", path);
        if (status !== 200) return status;
        const hasStatus = body.kind === "Deployment" || body.kind === "DaemonSet";
        return hasStatus ? [body.metadata.generation, templateAnnotations(body)] : body.metadata.resourceVersion;
      }),
    );
  };
});
