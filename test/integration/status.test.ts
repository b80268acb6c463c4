import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { filterStatus, type StatusDeps, type StatusRequest, type StatusResult } from "../../src/deploy/status.ts";
import { firstTrouble, type FilterStatus, type StatusStep } from "../../src/deploy/status-step.ts";
import { watchStatus } from "../../src/deploy/status-watch.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { filterDeploymentCrd } from "../../src/mesh/filter-deployment-crd.ts";
import { buildOperatorProgram } from "../../src/mesh/operator-objects.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject, PolicyRule } from "../cluster/api.ts";
import { startCluster } from "../cluster/cluster.ts";
import { component } from "../components/require-component.ts";
import { type Bench, openBench, workload, type WorkloadShape } from "./deploy-support.ts";

/** Its own: a FilterDeployment of the shared one would hold modules that other tests expect to go. */
const cluster = await component("cluster", () => startCluster());
/** As Istio's injector marks pods it gave a sidecar. */
const SIDECAR = { "sidecar.istio.io/status": '{"containers":["istio-proxy"]}' };
const MERGE = "application/merge-patch+json";
const HTTP = { via: "wasmplugin", delivery: "cache-http" } as const;
/** A gateway's volumes get into its pods without an injector. */
const FILES = { via: "envoyfilter", delivery: "cache-file", patchContext: "gateway" } as const;

describe.skipIf("skip" in cluster)("wasme status on a real API server", () => {
  let client: ClusterClient;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });
  afterAll(async () => {
    if ("ready" in cluster) await cluster.ready.stop();
  });

  const withWeb = async (prefix: string, shape: WorkloadShape = {}): Promise<Bench> => {
    const bench = await openBench(client, prefix);
    await client.apply(workload(bench.namespace, { annotations: SIDECAR, ...shape }));
    return bench;
  };
  const look = async (bench: Bench, more: Partial<StatusRequest> = {}, kubeconfig?: string): Promise<StatusResult> => {
    const request = {
      id: undefined,
      namespace: bench.namespace,
      allNamespaces: false,
      labels: {},
      kind: undefined,
      explain: false,
    };
    const events = (event: ProgressEvent): void => void bench.events.push(event);
    const file = kubeconfig ?? (await client.adminKubeconfig(bench.namespace));
    const port = await connectCluster({ clock: systemClock, events }, { file, env: {}, cwd: "/" });
    try {
      const deps: StatusDeps = { port, pods: port.pods, clock: systemClock, events };
      return await filterStatus(deps, { ...request, ...more });
    } finally {
      port.close();
    }
  };
  const one = async (bench: Bench, more: Partial<StatusRequest> = {}): Promise<FilterStatus> => {
    const { filters } = await look(bench, more);
    expect(filters).toHaveLength(1);
    return filters[0] as FilterStatus;
  };
  const trouble = async (bench: Bench): Promise<StatusStep | undefined> => firstTrouble((await one(bench)).steps);
  /** Waits until the first trouble is this step's. */
  const settles = async (bench: Bench, name: StatusStep["name"], state: StatusStep["state"]): Promise<StatusStep> => {
    await expect.poll(() => trouble(bench), { timeout: 40_000, interval: 100 }).toMatchObject({ name, state });
    return (await trouble(bench)) as StatusStep;
  };
  const isOn = async (bench: Bench): Promise<void> => {
    await expect.poll(async () => (await one(bench)).state, { timeout: 40_000, interval: 100 }).toBe("on");
  };
  const web = (bench: Bench): string => `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`;
  const plugin = (bench: Bench): string =>
    `/apis/extensions.istio.io/v1alpha1/namespaces/${bench.namespace}/wasmplugins/web-hello`;
  const patch = async (path: string, body: unknown): Promise<void> => {
    const { status, body: said } = await client.request("PATCH", path, body, MERGE);
    expect(status, JSON.stringify(said)).toBe(200);
  };
  const listMap = (bench: Bench): string => `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`;

  it("says that a filter is on, with every step and node", async () => {
    const bench = await withWeb("on");
    const { moduleDigest } = await bench.deploy(HTTP);
    await isOn(bench);
    const filter = await one(bench, { id: "hello", labels: { app: "web" }, kind: "Deployment" });
    expect(filter).toMatchObject({
      workload: "deployment/web",
      object: "WasmPlugin/web-hello",
      delivery: "cache-http",
      moduleDigest,
    });
    expect(filter.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "workload ok",
      "list ok",
      "nodes ok",
      "object ok",
      "sidecars ok",
    ]);
    expect(filter.steps.at(-1)?.message).toBe("2/2 pods have a proxy");
    expect(filter.nodes.length).toBeGreaterThan(1);
    expect(new Set(filter.nodes.map(({ state }) => state))).toEqual(new Set(["ready"]));
    const notes = ["filters are there, on other workloads: hello on deployment/web"];
    expect(await look(bench, { labels: { app: "other" } })).toMatchObject({ filters: [], notes });
    expect(await look(bench, { kind: "DaemonSet" })).toMatchObject({ filters: [], notes });
    await expect(look(bench, { id: "hello", kind: "DaemonSet" })).rejects.toMatchObject({
      code: "FILTER_NOT_DEPLOYED",
      hint: "leave -l and -t out: it is there as hello on deployment/web",
    });
    const service = `/api/v1/namespaces/${bench.cacheNamespace}/services/wasme-cache`;
    await client.request("DELETE", service);
    expect(await trouble(bench)).toMatchObject({
      name: "nodes",
      message: `there is no Service ${bench.cacheNamespace}/wasme-cache: no proxy reaches the node cache`,
    });
    await bench.deploy(HTTP);
    expect(await trouble(bench)).toBeUndefined();
    const everywhere = await look(bench, { allNamespaces: true });
    expect(everywhere.filters.filter(({ namespace }) => namespace === bench.namespace)).toHaveLength(1);
  });

  it("says which filter is meant when there is none of that name", async () => {
    const bench = await withWeb("none");
    expect(await look(bench)).toMatchObject({ filters: [], notes: [] });
    await expect(look(bench, { namespace: "nosuch" })).rejects.toMatchObject({ code: "NAMESPACE_NOT_FOUND" });
    await expect(look(bench, { id: "hello" })).rejects.toMatchObject({
      code: "FILTER_NOT_DEPLOYED",
      kind: "not-found",
      hint: expect.stringContaining("-A takes all") as string,
    });
    await bench.deploy({ via: "wasmplugin", delivery: "registry" });
    await expect(look(bench, { id: "helo" })).rejects.toMatchObject({ hint: "did you mean --id hello?" });
    await expect(look(bench, { id: "zzz" })).rejects.toMatchObject({ hint: "there are: hello" });
  });

  it("finds an entry that is missing on the cache's list, and a list that is gone", async () => {
    const bench = await withWeb("entry");
    await bench.deploy(HTTP);
    await isOn(bench);
    const { body } = await client.request<{ data: Record<string, string> }>("GET", listMap(bench));
    const [key = ""] = Object.keys(body.data);
    await patch(listMap(bench), { data: { [key]: null } });
    const step = await settles(bench, "list", "failed");
    expect(step.message).toBe(`the node cache ${bench.cacheNamespace}/wasme-cache does not list the image`);
    expect(step.fix).toMatch(
      new RegExp(
        `: wasme deploy istio registry\\.example\\.com/team/hello:v1@sha256:[0-9a-f]{64} --id hello -n ${bench.namespace} -l app=web --via wasmplugin --delivery cache-http --cache-namespace ${bench.cacheNamespace}$`,
        "u",
      ),
    );
    await client.request("DELETE", listMap(bench));
    expect((await trouble(bench))?.message).toContain("there is no list of a node cache");
    // What it says to type mends it.
    await bench.deploy(HTTP);
    await isOn(bench);
  });

  it("names the node that cannot fetch, and why", async () => {
    const bench = await withWeb("node");
    await bench.deploy({ ...HTTP, cache: { ...(await cacheOf(bench)), timeoutMs: 0 } });
    await isOn(bench);
    const { nodes } = await one(bench);
    const node = nodes[0]?.node ?? "";
    bench.nodes.fail([node], "registry.example.com refused to read team/hello (401 unauthorized)");
    const step = await settles(bench, "nodes", "failed");
    expect(step.message).toContain(
      `${nodes.length - 1}/${nodes.length} nodes; ${node} cannot fetch registry.example.com/team/hello:v1@`,
    );
    expect(step.message).toContain("401 unauthorized");
    expect(step.fix).toContain("--pull-secret NAME");
    expect((await one(bench)).nodes.find((each) => each.node === node)).toMatchObject({ state: "failed" });
    bench.nodes.fail([node], "no space left on device");
    await expect.poll(async () => (await trouble(bench))?.fix, { timeout: 40_000 }).toContain("kubectl logs -n");
  });

  it("waits for nodes that have not reported, and for a cache that is gone", async () => {
    const bench = await withWeb("wait");
    bench.nodes.hold();
    await bench.deploy({ ...HTTP, cache: { ...(await cacheOf(bench)), timeoutMs: 0 } });
    const step = await settles(bench, "nodes", "waiting");
    expect(step.message).toMatch(/^0\/\d+ nodes/u);
    expect(step.fix).toContain(`kubectl get pods -n ${bench.cacheNamespace}`);
    const events: ProgressEvent[] = [];
    const deps = { clock: systemClock, events: (event: ProgressEvent) => void events.push(event) };
    bench.nodes.release();
    const end = await watchStatus(deps, () => look(bench), { timeoutMs: 120_000, everyMs: 50 });
    expect(end.filters.map(({ state }) => state)).toEqual(["on"]);
    const said = events.flatMap((event) => (event.type === "milestone" ? [event.message] : []));
    expect(said.at(-1)).toBe(`hello on deployment/web in ${bench.namespace}: on`);
    await client.request("DELETE", `/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`);
    expect((await settles(bench, "nodes", "failed")).message).toContain("there is no node cache");
    const late = await watchStatus(deps, () => look(bench), { timeoutMs: 0, everyMs: 50 });
    expect(late.filters.map(({ state }) => state)).toEqual(["off"]);
  });

  it("finds a pod template without the volume, and pods without it", async () => {
    const bench = await withWeb("mount", { containers: ["istio-proxy"] });
    await bench.deploy(FILES);
    await isOn(bench);
    expect((await one(bench)).steps.map(({ name }) => name)).toEqual([
      "workload",
      "list",
      "nodes",
      "security",
      "template",
      "rollout",
      "object",
      "sidecars",
    ]);
    await client.request(
      "PATCH",
      web(bench),
      [
        { op: "remove", path: "/spec/template/spec/volumes" },
        { op: "remove", path: "/spec/template/spec/containers/0/volumeMounts" },
      ],
      "application/json-patch+json",
    );
    const step = await settles(bench, "template", "failed");
    expect(step.message).toBe("the pod template of deployment/web does not mount the volume wasme-cache");
    expect(step.fix).toContain("wasme deploy istio");
    await bench.deploy(FILES);
    await isOn(bench);
  });

  it("finds pods whose injector did not add the volume", async () => {
    const bench = await withWeb("inject", { annotations: {} });
    await bench.deploy({ via: "envoyfilter", delivery: "cache-file" });
    await patch(web(bench), { spec: { template: { metadata: { annotations: SIDECAR } } } });
    const step = await settles(bench, "rollout", "failed");
    expect(step.message).toMatch(/^2 of 2 pods lack the volume wasme-cache, such as web-/u);
    expect(step.fix).toContain(`kubectl rollout restart deployment/web -n ${bench.namespace}`);
  });

  it("finds a roll-out that is paused, held, or refused by pod security", async () => {
    const bench = await withWeb("stuck", { containers: ["istio-proxy"] });
    await bench.deploy(FILES);
    await isOn(bench);
    const hold = { spec: { template: { metadata: { annotations: { "wasme.test/hold": "" } } } } };
    await patch(web(bench), hold);
    const held = await settles(bench, "rollout", "waiting");
    expect(held.message).toMatch(/pods? (?:updated|available|left)/u);
    await patch(web(bench), { spec: { paused: true, template: { metadata: { annotations: { other: "x" } } } } });
    await expect
      .poll(async () => (await trouble(bench))?.fix, { timeout: 40_000 })
      .toContain(`kubectl rollout resume deployment/web -n ${bench.namespace}`);
    await patch(`/api/v1/namespaces/${bench.namespace}`, {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    const secure = await settles(bench, "security", "failed");
    expect(secure.message).toContain('enforces pod security "restricted", which forbids hostPath volumes');
    expect(secure.fix).toContain("--delivery cache-http");
    await patch(web(bench), { spec: { paused: false } });
    await expect
      .poll(async () => (await one(bench)).steps.find(({ name }) => name === "rollout")?.message, { timeout: 40_000 })
      .toMatch(/no pods can be made: .*violates PodSecurity/u);
  });

  it("finds a selector that matches nothing, no pods yet, and a workload that is gone", async () => {
    const bench = await withWeb("match");
    await bench.deploy({ via: "wasmplugin", delivery: "registry" });
    await isOn(bench);
    await patch(web(bench), { spec: { template: { metadata: { labels: { version: "v2" } } } } });
    const step = await settles(bench, "sidecars", "failed");
    expect(step.message).toBe(
      "its selector app=web,version=v1 matches no pod: the labels of deployment/web's pods changed",
    );
    await patch(web(bench), { spec: { replicas: 0, template: { metadata: { labels: { version: "v1" } } } } });
    await isOn(bench);
    expect((await one(bench)).steps.at(-1)?.message).toBe("deployment/web is scaled to 0: no pod to run it");
    await client.request("DELETE", web(bench));
    const gone = await settles(bench, "workload", "failed");
    expect(gone).toMatchObject({
      message: "there is no deployment/web any more",
      fix: `wasme undeploy istio --id hello -n ${bench.namespace} takes away what is left`,
    });
  });

  it("finds pods without a sidecar, and says how they get one", async () => {
    const bench = await withWeb("bare", { annotations: {} });
    await bench.deploy({ via: "wasmplugin", delivery: "registry" });
    const step = await settles(bench, "sidecars", "failed");
    expect(step.message).toMatch(/^2 of 2 pods have no proxy, such as web-/u);
    expect(step.fix).toBe(
      `kubectl label namespace ${bench.namespace} istio-injection=enabled --overwrite && kubectl rollout restart deployment/web -n ${bench.namespace}`,
    );
    await patch(`/api/v1/namespaces/${bench.namespace}`, { metadata: { labels: { "istio-injection": "enabled" } } });
    expect((await trouble(bench))?.fix).toBe(`kubectl rollout restart deployment/web -n ${bench.namespace}`);
  });

  it("finds an object that somebody changed", async () => {
    const bench = await withWeb("changed", { labels: { "app.kubernetes.io/managed-by": "Helm" } });
    await bench.deploy({ via: "wasmplugin", delivery: "registry", config: '{"a":1}' });
    await patch(plugin(bench), { spec: { url: "oci://elsewhere.example.com/x:1", sha256: null } });
    const step = await settles(bench, "object", "failed");
    expect(step.message).toMatch(/^WasmPlugin\/web-hello does not name sha256:[0-9a-f]{64}: somebody changed it$/u);
    expect(step.fix).toMatch(
      /^deploy it again as before, with its --config .*: wasme deploy istio .* -l app=web,app.kubernetes.io\/managed-by=Helm --via wasmplugin --delivery registry --force-conflicts$/u,
    );
  });

  it("says plainly what it may not see, instead of failing", async () => {
    const bench = await withWeb("rights");
    await bench.deploy(HTTP);
    await isOn(bench);
    const rule = (apiGroup: string, resources: string[]): PolicyRule => ({
      apiGroups: [apiGroup],
      resources,
      verbs: ["get", "list"],
    });
    const plugins = rule("extensions.istio.io", ["wasmplugins"]);
    const few = await client.tokenFor([plugins], bench.namespace);
    const { filters, notes } = await look(bench, {}, few);
    expect(notes).toContainEqual(
      expect.stringContaining(`not allowed to list envoyfilters.networking.istio.io in namespace "${bench.namespace}"`),
    );
    expect(filters[0]?.state).toBe("on");
    expect(filters[0]?.steps.filter(({ state }) => state === "unknown").map(({ name }) => name)).toEqual([
      "workload",
      "list",
      "nodes",
    ]);
    expect(filters[0]?.steps[0]).toMatchObject({
      message: `not allowed to list deployments.apps in namespace "${bench.namespace}": cannot tell`,
      fix: `kubectl auth can-i list deployments.apps -n ${bench.namespace} shows it; ask for a role with that verb`,
    });
    const more = await client.tokenFor([plugins, rule("apps", ["deployments"])], bench.namespace);
    const { filters: half } = await look(bench, { explain: true }, more);
    expect(half[0]?.steps.find(({ name }) => name === "sidecars")).toMatchObject({
      state: "unknown",
      message: `not allowed to list pods in namespace "${bench.namespace}": cannot tell`,
    });
    const pods = await client.tokenFor([plugins, rule("apps", ["deployments"]), rule("", ["pods"])], bench.namespace);
    const { filters: most } = await look(bench, { explain: true }, pods);
    expect(most[0]?.steps.at(-1)).toMatchObject({
      name: "proxies",
      state: "unknown",
      message: expect.stringContaining("pods/proxy") as string,
    });
    const nothing = await client.tokenFor([rule("", ["pods"])], bench.namespace);
    await expect(look(bench, {}, nothing)).rejects.toMatchObject({ kind: "unauthorised", code: "KUBE_FORBIDDEN" });
  });

  it("sees everything with the rights that its guide names", async () => {
    const bench = await withWeb("guide");
    await bench.deploy(HTTP);
    await isOn(bench);
    const [rules = [], cacheRules = []] = await documentedRules();
    const kubeconfig = await client.tokenFor(rules, bench.namespace, {
      clusterRules: [...cacheRules, { apiGroups: [""], resources: ["namespaces"], verbs: ["get"] }],
    });
    const { filters, notes } = await look(bench, { explain: true }, kubeconfig);
    expect(notes).toEqual([]);
    const hidden = filters.flatMap(({ steps }) => steps.filter(({ message }) => message.includes("not allowed")));
    expect(hidden).toEqual([]);
    expect(filters[0]?.proxies).toHaveLength(2);
  });

  it("asks proxies that cannot be reached without failing", async () => {
    const bench = await withWeb("ask");
    await bench.deploy({ via: "wasmplugin", delivery: "registry" });
    await isOn(bench);
    const filter = await one(bench, { explain: true });
    expect(filter.state).toBe("on");
    expect(filter.proxies).toHaveLength(2);
    expect(filter.steps.at(-1)).toMatchObject({
      name: "proxies",
      state: "unknown",
      fix: expect.stringMatching(/^istioctl proxy-config ecds web-/u) as string,
    });
  }, 120_000);

  it("tells a FilterDeployment that no operator carried out, one that is refused, and one under way", async () => {
    const bench = await withWeb("wish");
    await client.apply(filterDeploymentCrd as unknown as KubeObject);
    const path = `/apis/wasme.io/v1/namespaces/${bench.namespace}/filterdeployments`;
    const wish = {
      apiVersion: "wasme.io/v1",
      kind: "FilterDeployment",
      metadata: { name: "mine", namespace: bench.namespace },
      spec: {
        filter: { id: "hello", image: "registry.example.com/team/hello:v1" },
        deployment: { istio: { kind: "Deployment" } },
      },
    };
    await expect.poll(async () => (await client.request("POST", path, wish)).status, { timeout: 40_000 }).toBe(201);
    const step = await trouble(bench);
    expect(step).toMatchObject({
      name: "operator",
      state: "failed",
      message: "no operator has looked at FilterDeployment mine yet, and no operator is installed",
      fix: "wasme operator manifests | kubectl apply -f -",
    });
    expect(await one(bench, { id: "hello" })).toMatchObject({ filterDeployment: "mine", workload: undefined });
    expect((await look(bench, { kind: "DaemonSet" })).filters).toEqual([]);
    expect(await look(bench, { labels: { app: "web" } })).toMatchObject({
      filters: [],
      notes: ["FilterDeployments that have made nothing yet are shown without -l only"],
    });
    const told = async (status: string, reason: string, message: string): Promise<StatusStep | undefined> => {
      const condition = {
        type: "Ready",
        status,
        reason,
        message,
        lastTransitionTime: "2026-01-01T00:00:00Z",
        observedGeneration: 1,
      };
      await patch(`${path}/mine/status`, { status: { observedGeneration: 1, conditions: [condition] } });
      return await trouble(bench);
    };
    expect(await told("False", "ImageNotFound", "there is no image")).toMatchObject({
      state: "failed",
      message: "FilterDeployment mine: there is no image",
    });
    expect(await told("False", "WaitingForNodes", "1/3 nodes")).toMatchObject({ state: "waiting" });
    const settings = { replicas: 0, watchNamespaces: [bench.namespace], pullSecrets: [], cache: undefined } as const;
    const program = {
      name: "wasme-operator",
      image: "registry.example.com/wasme:1",
      imagePullPolicy: "Never",
    } as const;
    const installed = (more: object): KubeObject =>
      buildOperatorProgram({ ...settings, ...program, namespace: bench.namespace, ...more }).find(
        ({ kind }) => kind === "Deployment",
      ) as unknown as KubeObject;
    await client.apply(installed({}));
    const home = bench.namespace;
    expect(await trouble(bench)).toMatchObject({
      state: "failed",
      message: `FilterDeployment mine: 1/3 nodes, and the operator ${home}/wasme-operator is scaled to 0`,
      fix: `kubectl scale deployment/wasme-operator -n ${home} --replicas 1`,
    });
    await client.apply(installed({ replicas: 1, watchNamespaces: ["elsewhere"] }));
    expect(await trouble(bench)).toMatchObject({
      message: `FilterDeployment mine: 1/3 nodes, and the operator ${home}/wasme-operator looks after other namespaces only: elsewhere`,
      fix: expect.stringContaining(`--watch-namespace elsewhere,${home}`) as string,
    });
    expect(await told("True", "Deployed", "1 of 1")).toMatchObject({
      name: "object",
      state: "failed",
      message: `the Istio object is not there, and the operator ${home}/wasme-operator looks after other namespaces only: elsewhere`,
    });
    await patch(`${path}/mine`, { metadata: { finalizers: ["wasme.io/test"] } });
    await client.request("DELETE", `${path}/mine`);
    expect((await trouble(bench))?.message).toContain(
      "FilterDeployment mine is being deleted: what was made for it goes",
    );
    await client.request("DELETE", `/api/v1/namespaces/${home}`);
    expect(await trouble(bench)).toMatchObject({
      name: "workload",
      message: expect.stringContaining(
        `"${home}" is being deleted, and the finalizer of FilterDeployment mine holds it: `,
      ) as string,
      fix: expect.stringContaining(`to give up: kubectl patch filterdeployment mine -n ${home} `) as string,
    });
    await patch(`${path}/mine`, { metadata: { finalizers: null } });
  });
});

/** The two blocks of rules of the guide: what is tested is what is written. */
async function documentedRules(): Promise<readonly (readonly PolicyRule[])[]> {
  const guide = await readFile(new URL("../../docs/guide/status.md", import.meta.url), "utf8");
  const blocks = [...guide.matchAll(/^```yaml\n(rules:[^`]*)```$/gmu)];
  expect(blocks).toHaveLength(2);
  return blocks.map(([, text = ""]) => (parse(text) as { rules: PolicyRule[] }).rules);
}

async function cacheOf(
  bench: Bench,
): Promise<{ name: string; namespace: string; image: string; imagePullPolicy: "IfNotPresent" }> {
  return {
    name: "wasme-cache",
    namespace: bench.cacheNamespace,
    image: "registry.example.com/wasme:0.1.0",
    imagePullPolicy: "IfNotPresent",
  };
}
