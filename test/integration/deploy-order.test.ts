import { beforeAll, describe, expect, it } from "vitest";
import type { Delivery } from "../../src/domain/delivery.ts";
import { applyPlan } from "../../src/deploy/apply-plan.ts";
import { type Plan, refTitle, type Step } from "../../src/deploy/plan.ts";
import { planDeploy } from "../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../src/deploy/plan-undeploy.ts";
import type { ClusterDeps, DeployRequest, Via } from "../../src/deploy/request.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import {
  type Bench,
  imageOf,
  openBench,
  requestFor,
  templateAnnotations,
  undeployFor,
  workload,
} from "./deploy-support.ts";

const cluster = await component("cluster", sharedCluster);
const V1 = imageOf("registry.example.com/team/hello:v1", { format: "compat" });
const V2 = imageOf("registry.example.com/team/hello:v2", { format: "compat" });

describe.skipIf("skip" in cluster)("the order of a plan", () => {
  let client: ClusterClient;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });

  const withWeb = async (prefix: string): Promise<Bench> => {
    const bench = await openBench(client, prefix);
    await client.apply(workload(bench.namespace));
    return bench;
  };
  const inCluster = async <T>(bench: Bench, work: (deps: ClusterDeps) => Promise<T>): Promise<T> => {
    const source = { file: await client.adminKubeconfig(bench.namespace), env: {}, cwd: "/" };
    const events = (): void => undefined;
    const port = await connectCluster({ clock: systemClock, events }, source);
    try {
      return await work({ port, clock: systemClock, events, cacheRestMs: 0 });
    } finally {
      port.close();
    }
  };
  const words = ({ steps }: Plan, bench: Bench): readonly string[] =>
    steps
      .filter((step) => !("action" in step) || step.action !== "unchanged" || step.type === "announce")
      .map((step) => word(step).replaceAll(bench.namespace, "NS"));
  const word = (step: Step): string => {
    if (step.type === "wait-rollout" || step.type === "wait-module" || step.type === "check-volumes") return step.type;
    if (step.type === "announce") return step.stage === "coming" ? "announce" : "announced";
    if (step.type === "release") return step.type;
    return `${step.type} ${refTitle(step.ref)}`;
  };
  const planOf = async (bench: Bench, more: Partial<DeployRequest>, image = V1): Promise<readonly string[]> =>
    inCluster(bench, async (deps) => words(await planDeploy(deps, requestFor(bench, more), image), bench));

  it.each<[Via, Delivery, readonly string[]]>([
    [
      "wasmplugin",
      "cache-http",
      [
        "announce",
        "wait-module",
        "mark ConfigMap NS-cache/wasme-cache",
        "apply WasmPlugin NS/web-hello",
        "announced",
        "release",
      ],
    ],
    [
      "envoyfilter",
      "cache-file",
      [
        "announce",
        "wait-module",
        "wait-rollout",
        "announce",
        "wait-rollout",
        "wait-module",
        "check-volumes",
        "mark ConfigMap NS-cache/wasme-cache",
        "apply EnvoyFilter NS/web-hello",
        "announced",
        "release",
      ],
    ],
    [
      "trafficextension",
      "image-volume",
      [
        "edit Deployment NS/web",
        "wait-rollout",
        "wait-rollout",
        "check-volumes",
        "apply TrafficExtension NS/web-hello",
        "edit Deployment NS/web",
        "wait-rollout",
      ],
    ],
  ])("has no window in an update: %s by %s", async (via, delivery, expected) => {
    const bench = await withWeb("update");
    await bench.deploy({ via, delivery }, V1);
    expect(await planOf(bench, { via, delivery }, V2)).toEqual(expected);
  });

  it("takes the old way away after the new one is whole", async () => {
    const bench = await withWeb("change");
    await bench.deploy({ via: "envoyfilter", delivery: "cache-file" }, V1);
    expect(await planOf(bench, { via: "wasmplugin", delivery: "registry" })).toEqual([
      "mark ConfigMap NS-cache/wasme-cache",
      "apply WasmPlugin NS/web-hello",
      "delete EnvoyFilter NS/web-hello",
      "edit Deployment NS/web",
      "release",
      ...["ConfigMap", "DaemonSet", "Service", "RoleBinding", "Role", "ServiceAccount"].map(
        (kind) => `delete ${kind} NS-cache/wasme-cache`,
      ),
      "delete Namespace NS-cache",
      "wait-rollout",
    ]);
  });

  it("leaves the old object as it is when the new module does not come, and says on which node", async () => {
    const bench = await withWeb("refused");
    const way = { via: "wasmplugin", delivery: "cache-http" } as const;
    await bench.deploy(way, V1);
    const before = await bench.read("extensions.istio.io/v1alpha1", "wasmplugins/web-hello");
    bench.nodes.fail(["node-2"], "401 from registry.example.com");
    await expect(bench.deploy(way, V2)).rejects.toMatchObject({
      kind: "failed",
      code: "MODULE_NOT_FETCHED",
      message: expect.stringMatching(/^node node-2 cannot fetch .*hello:v2@.*: 401 from registry/u) as string,
      hint: expect.stringContaining("--pull-secret") as string,
    });
    expect(await bench.read("extensions.istio.io/v1alpha1", "wasmplugins/web-hello")).toEqual(before);
    // The same command goes on when the cause is gone; what the node said before does not end it.
    bench.nodes.fail([], "");
    await bench.eventually(async () => (await bench.deploy(way, V2)).outcomes.length > 0);
    expect((await bench.deploy(way, V2)).outcomes.map(({ outcome }) => outcome)).not.toContain("changed");
  });

  it("puts its entry back when somebody takes it out while it is waited for", async () => {
    const bench = await withWeb("back");
    const way = { via: "wasmplugin", delivery: "cache-http" } as const;
    await bench.deploy({ ...way, id: "first" }, V1);
    bench.nodes.hold();
    const deploying = bench.deploy(way, V2);
    const path = `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`;
    const key = `sha256-${V2.manifestDigest.slice(7)}`;
    const has = (body: { data?: Record<string, string> }): boolean => body.data?.[key] !== undefined;
    await client.eventually(path, has);
    await client.request("PATCH", path, { data: { [key]: null } }, "application/merge-patch+json");
    await client.eventually(path, has);
    bench.nodes.release();
    await deploying;
    expect(await bench.status("extensions.istio.io/v1alpha1", "wasmplugins/web-hello")).toBe(200);
  });

  it("mounts again what somebody took out while it rolled out, and tells the proxies after that", async () => {
    const bench = await openBench(client, "remount");
    await client.apply(workload(bench.namespace, { annotations: { "wasme.test/hold": "" } }));
    const deploying = bench.deploy({ via: "envoyfilter", delivery: "cache-file" }, V1);
    const path = `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`;
    const [volume, mount] = ["sidecar.istio.io/userVolume", "sidecar.istio.io/userVolumeMount"];
    await client.eventually(path, (live) => templateAnnotations(live)[volume] !== undefined);
    const annotations = { [volume]: null, [mount]: null, "wasme.test/hold": null };
    const body = { spec: { template: { metadata: { annotations } } } };
    await client.request("PATCH", path, body, "application/merge-patch+json");
    await deploying;
    const { items } = await bench.read<{ items: readonly KubeObject[] }>("v1", "pods?labelSelector=app%3Dweb");
    const staying = items.filter(({ metadata }) => metadata["deletionTimestamp"] === undefined);
    expect(staying.map(({ metadata }) => metadata.annotations?.[volume] !== undefined)).toEqual([true, true]);
  });

  it("keeps the old entry for who deployed it elsewhere while the new one was waited for", async () => {
    const bench = await withWeb("beside");
    const other = await withWeb("other");
    const way = { via: "wasmplugin", delivery: "cache-http" } as const;
    const { cache } = requestFor(bench);
    const path = `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`;
    const key = (image: typeof V1): string => `sha256-${image.manifestDigest.slice(7)}`;
    const keys = async (): Promise<readonly string[]> => {
      const { body } = await client.request<{ data?: Record<string, string> }>("GET", path);
      return Object.keys(body.data ?? {}).toSorted();
    };
    await bench.deploy(way, V1);
    bench.nodes.hold();
    const updating = bench.deploy(way, V2);
    await client.eventually(path, (body: { data?: Record<string, string> }) => body.data?.[key(V2)] !== undefined);
    await other.deploy({ ...way, cache }, V1);
    bench.nodes.release();
    await updating;
    expect(await keys()).toEqual([key(V1), key(V2)].toSorted());
    // Both are planned before either goes: the one that asks last sees that nobody is left.
    await inCluster(bench, async (deps) => {
      const where = { name: cache.name, namespace: cache.namespace };
      const plans = [
        await planUndeploy(deps, undeployFor(bench)),
        await planUndeploy(deps, undeployFor(other, { cache: where })),
      ];
      for (const plan of plans) await applyPlan(deps, plan, { force: false, waits: "block" });
    });
    expect((await client.request("GET", path)).status).toBe(404);
    const daemonSet = `/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`;
    expect((await client.request("GET", daemonSet)).status).toBe(404);
  });

  it("does not block when it is told not to, and says what it awaits", async () => {
    const bench = await withWeb("stop");
    const request = requestFor(bench, { via: "wasmplugin", delivery: "cache-http" });
    bench.nodes.hold();
    const once = async (): Promise<string> =>
      inCluster(bench, async (deps) => {
        const plan = await planDeploy({ ...deps, trial: false }, request, V1);
        const { awaiting, outcomes } = await applyPlan({ ...deps, trial: false }, plan, { force: true, waits: "stop" });
        return awaiting === undefined
          ? (outcomes.at(-1)?.ref.kind.kind ?? "")
          : `${awaiting.step.type}: ${awaiting.message}`;
      });
    expect(await once()).toMatch(/^wait-module: (?:\d\/\d nodes|the node cache)/u);
    expect(await bench.status("extensions.istio.io/v1alpha1", "wasmplugins/web-hello")).toBe(404);
    bench.nodes.release();
    await bench.eventually(async () => !(await once()).startsWith("wait-module"));
    expect(await bench.status("extensions.istio.io/v1alpha1", "wasmplugins/web-hello")).toBe(200);
  });

  it.each<[Via, Delivery]>([
    ["wasmplugin", "cache-http"],
    ["envoyfilter", "cache-file"],
    ["wasmplugin", "image-volume"],
  ])("can be stopped after any step and run again: %s by %s", async (via, delivery) => {
    const bench = await withWeb("crash");
    const request = requestFor(bench, { via, delivery });
    const objects = `${via}s/web-hello`;
    const group = via === "envoyfilter" ? "networking.istio.io/v1alpha3" : "extensions.istio.io/v1alpha1";
    const keys = async (): Promise<readonly string[]> => {
      const path = `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`;
      const { body } = await client.request<{ data?: Record<string, string> }>("GET", path);
      return Object.keys(body.data ?? {});
    };
    /** Each run is a plan made anew that is stopped after its first real change; gives how many runs it took. */
    const creep = async (make: (deps: ClusterDeps) => Promise<Plan>): Promise<number> => {
      for (let runs = 1; ; runs += 1) {
        const over = await inCluster(bench, async (deps) => {
          const { steps } = await make(deps);
          const change = steps.findIndex((step) => "action" in step && step.action !== "unchanged");
          const some = change === -1 ? steps : steps.slice(0, change + 1);
          await applyPlan(deps, { steps: some }, { force: false, waits: "block" });
          return change === -1;
        });
        if (over) return runs;
      }
    };
    for (const image of [V1, V2]) {
      expect(await creep((deps) => planDeploy(deps, request, image))).toBeGreaterThan(2);
      const again = await bench.deploy({ via, delivery }, image);
      expect(new Set(again.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["unchanged"]));
      const object = JSON.stringify(await bench.read(group, objects));
      expect(object).toContain(image.manifestDigest);
      expect(await keys()).toEqual(delivery === "image-volume" ? [] : [`sha256-${image.manifestDigest.slice(7)}`]);
    }
    const ended = creep((deps) => planUndeploy(deps, undeployFor(bench)));
    await expect(ended).rejects.toMatchObject({ code: "FILTER_NOT_DEPLOYED" });
    await expect(bench.undeploy()).rejects.toMatchObject({ code: "FILTER_NOT_DEPLOYED" });
    expect(await bench.status(group, objects)).toBe(404);
    expect(templateAnnotations(await bench.read("apps/v1", "deployments/web"))).toEqual({});
    for (const path of ["api/v1#configmaps", "apis/apps/v1#daemonsets", "api/v1#services", "api/v1#serviceaccounts"]) {
      const [api, plural] = path.split("#");
      const url = `/${api}/namespaces/${bench.cacheNamespace}/${plural}/wasme-cache`;
      expect([plural, (await client.request("GET", url)).status]).toEqual([plural, 404]);
    }
  });
});
