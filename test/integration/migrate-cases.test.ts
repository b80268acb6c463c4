import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WasmeError } from "../../src/domain/errors.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { buildCacheObjects } from "../../src/mesh/cache-objects.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/api.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import type { OldDeploy } from "../support/old-wasme.ts";
import { templateAnnotations, type WorkloadShape, workload } from "./deploy-support.ts";
import { type MigrateBench, moduleOf, openMigrateBench } from "./migrate-support.ts";

// A cluster of its own: whether the old cache may go depends on what is in all namespaces.
const cluster = await component("cluster", () => startCluster());
const ISTIO = "networking.istio.io/v1alpha3";
const CONFIG = '{"greeting":"hello"}';
const REGISTRY = { via: "wasmplugin", delivery: "registry" } as const;
const imageNamed = (id: string): string => `registry.example.com/team/${id}:v1`;

describe.skipIf("skip" in cluster)("migrate", () => {
  let client: Cluster;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });
  afterAll(() => client.stop());

  const open = async (prefix: string, shape: WorkloadShape = {}): Promise<MigrateBench> => {
    const bench = await openMigrateBench(client, prefix);
    await client.apply(workload(bench.namespace, { replicas: 1, ...shape }));
    return bench;
  };
  const leave = async (bench: MigrateBench, id: string, more: Partial<OldDeploy> = {}): Promise<void> => {
    await bench.old.installCache();
    const image = imageNamed(id);
    await bench.old.deploy({ id, image, module: moduleOf(image), config: CONFIG, workload: { name: "web" }, ...more });
  };
  const unlist = async (bench: MigrateBench): Promise<void> => {
    const path = `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`;
    await client.request("PATCH", path, { data: { images: "" } }, "application/merge-patch+json");
  };
  const named = (id: string, text: string, replace = false): { id: string; reference: never; replace: boolean } => {
    return { id, reference: parseImageReference(text) as never, replace };
  };

  describe("finding images", () => {
    it("asks for what no list names, changes nothing, and takes the answer", async () => {
      const bench = await open("asked");
      await leave(bench, "f1");
      await unlist(bench);
      const before = await bench.state();
      const failure = bench.migrate(REGISTRY);
      await expect(failure).rejects.toMatchObject({ code: "IMAGE_UNKNOWN", kind: "not-found" });
      await expect(failure).rejects.toMatchObject({ hint: expect.stringContaining("--image f1=REF") as string });
      expect(await bench.state()).toEqual(before);
      const questions: string[] = [];
      const askImage = async (message: string): Promise<string> => {
        questions.push(message);
        return imageNamed("f1");
      };
      expect((await bench.migrate(REGISTRY, { askImage })).mode).toBe("applied");
      expect(questions).toHaveLength(1);
      expect(await bench.status("extensions.istio.io/v1alpha1", "wasmplugins/web-f1")).toBe(200);
    });

    it("refuses an image with another module, unless told to replace it", async () => {
      const bench = await open("other");
      await leave(bench, "f1");
      const before = await bench.state();
      const other = "registry.example.com/team/f1:v2";
      await expect(bench.migrate({ ...REGISTRY, images: [named("f1", other)] })).rejects.toMatchObject({
        code: "IMAGE_MISMATCH",
        hint: expect.stringContaining(`--replace-image f1=${other}`) as string,
      });
      expect(await bench.state()).toEqual(before);
      const { filters } = await bench.migrate({ ...REGISTRY, images: [named("f1", other, true)] });
      expect(filters.map(({ image }) => image.reference.tag)).toEqual(["v2"]);
    });

    it("passes over references that are gone", async () => {
      const bench = await open("gone");
      await leave(bench, "lost");
      await leave(bench, "f1");
      await client.request("DELETE", `/apis/${ISTIO}/namespaces/${bench.namespace}/envoyfilters/web-lost`);
      bench.images.set(imageNamed("lost"), new WasmeError("not-found", "IMAGE_NOT_FOUND", "there is no such image"));
      expect((await bench.migrate(REGISTRY)).filters).toHaveLength(1);
      expect(bench.lines()).toContain(`${imageNamed("lost")}, which the old wasme listed, cannot be looked up`);
    });
  });

  it("says which filters do nothing today and will, and changes nothing without leave", async () => {
    const bench = await open("leave");
    await leave(bench, "f1");
    const before = await bench.state();
    const questions: string[] = [];
    const confirm = async (message: string): Promise<boolean> => questions.push(message) < 0;
    expect((await bench.migrate(REGISTRY, { confirm })).mode).toBe("declined");
    expect(questions).toEqual(["Migrate 1 filter, 1 of which does nothing today and will?"]);
    expect(bench.lines()).toContain("these filters match nothing from Istio 1.19 on, and migrating turns them on: f1");
    expect(await bench.state()).toEqual(before);
    const istiod = workload(bench.namespace, { name: "istiod", replicas: 0 });
    const text = JSON.stringify(istiod).replace('"name":"app"', '"name":"discovery"');
    await client.apply(JSON.parse(text.replace("app:1", "pilot:1.9.5")) as KubeObject);
    await bench.migrate(REGISTRY, { confirm });
    expect(questions[1]).toBe("Migrate 1 filter?");
    expect((await bench.migrate(REGISTRY)).mode).toBe("applied");
  });

  it("changes nothing in a dry run, and prints objects that a fresh deploy would make", async () => {
    const bench = await open("dry");
    await leave(bench, "f1");
    const before = await bench.state();
    const server = await bench.migrate({ dryRun: "server" });
    expect(server).toMatchObject({ mode: "dry-run-server" });
    expect(server.diff).toContain(`EnvoyFilter ${bench.namespace}/web-f1`);
    await bench.migrate({ via: "auto", delivery: "auto", dryRun: "server" });
    expect(bench.lines()).toContain("delivery cache-http: there is an old node cache");
    // The old pods are gone by the time their namespace is restricted.
    expect(bench.lines()).not.toContain("PodSecurity");
    const printed = await bench.migrate({ ...REGISTRY, dryRun: "client" });
    expect(printed.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(["WasmPlugin web-f1"]);
    expect(await bench.state()).toEqual(before);
    await bench.migrate(REGISTRY);
  });

  it("keeps the old cache while another namespace needs it; the stand-in serves it, and goes with the last", async () => {
    const one = await open("one");
    await leave(one, "f1");
    const two = await openMigrateBench(client, "two");
    await client.apply(workload(two.namespace, { replicas: 1 }));
    const image = imageNamed("f1");
    await two.old.deploy({ id: "f1", image, module: moduleOf(image), config: CONFIG, workload: { name: "web" } });
    const sets = `/apis/apps/v1/namespaces/${one.cacheNamespace}/daemonsets`;
    await one.migrate();
    expect((await client.request("GET", `${sets}/wasme-cache-old`)).status).toBe(200);
    expect(one.lines()).toContain("1 old filter in another namespace needs it");
    await two.migrate({ allNamespaces: true, cache: { ...cacheIn(one), timeoutMs: 30_000 } });
    expect((await client.request("GET", `${sets}/wasme-cache-old`)).status).toBe(404);
    expect((await client.request("GET", `${sets}/wasme-cache`)).status).toBe(200);
    expect((await one.migrate({ allNamespaces: true })).mode).toBe("nothing");
  });

  it("goes on where somebody installed today's cache over the old one, which fails half-way", async () => {
    const bench = await open("over");
    await leave(bench, "f1");
    const { name, namespace, image } = cacheIn(bench);
    const objects = buildCacheObjects({ name, namespace, image, imagePullPolicy: "Always", files: false });
    await client.apply(objects.filter(({ kind }) => kind !== "DaemonSet") as unknown as readonly KubeObject[]);
    const label = async (): Promise<unknown> => {
      const { body } = await client.request<KubeObject>("GET", `/api/v1/namespaces/${namespace}`);
      return body.metadata.labels?.["pod-security.kubernetes.io/enforce"];
    };
    expect(await label()).toBe("restricted");
    const first = await bench.migrate({ via: "auto", delivery: "auto" });
    expect(first.mode).toBe("applied");
    expect(await label()).toBe("restricted");
    const lines = bench.lines().split("\n");
    const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
    expect(at("update Namespace")).toBeGreaterThan(-1);
    // Planning warns of nothing that is not so when it is carried out.
    expect(lines.slice(0, at("update Namespace")).join("\n")).not.toContain("PodSecurity");
    expect(at(`update Namespace ${namespace} `)).toBeLessThan(at(`create DaemonSet ${namespace}/${name}-old`));
    expect((await bench.migrate({ via: "auto", delivery: "auto" })).mode).toBe("nothing");
  });

  it("leaves what somebody has changed beyond recognition, and what it needs", async () => {
    const bench = await open("odd");
    await leave(bench, "f1");
    const path = `/apis/${ISTIO}/namespaces/${bench.namespace}/envoyfilters/web-f1`;
    const { body } = await client.request<KubeObject & { spec: { configPatches: unknown[] } }>("GET", path);
    body.spec.configPatches.push(body.spec.configPatches[0]);
    await client.request("PUT", path, body);
    const before = await bench.state();
    expect((await bench.migrate(REGISTRY)).mode).toBe("nothing");
    expect(bench.lines()).toContain(`EnvoyFilter ${bench.namespace}/web-f1 stays`);
    expect(await bench.state()).toEqual(before);
    await client.request("DELETE", path);
    expect((await bench.migrate(REGISTRY)).mode).toBe("applied");
  });

  it("deletes a filter whose workload is gone, unless pods of whatever else have its labels", async () => {
    const bench = await open("orphan");
    await leave(bench, "f1");
    const { body } = await client.request<KubeObject>(
      "GET",
      `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`,
    );
    await client.request("DELETE", `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`);
    const pods = `/api/v1/namespaces/${bench.namespace}/pods`;
    // Run by nobody whom the old tool knew, as those of a Job or a Rollout are.
    const { template } = body["spec"] as { template: { metadata: object; spec: object } };
    const bare = { ...template, metadata: { ...template.metadata, name: "bare" } };
    await client.request("POST", pods, { apiVersion: "v1", kind: "Pod", ...bare });
    await bench.eventually(async () => {
      const { items } = (await client.request<{ items: KubeObject[] }>("GET", pods)).body;
      return items.length === 1;
    });
    expect((await bench.migrate(REGISTRY)).mode).toBe("nothing");
    expect(bench.lines()).toContain("web-f1 stays: there is no workload web, and it selects pod bare");
    await client.request("DELETE", `${pods}/bare?gracePeriodSeconds=0`);
    await bench.migrate(REGISTRY);
    expect(await bench.status(ISTIO, "envoyfilters/web-f1")).toBe(404);
    expect(bench.lines()).toContain(`deleted`);
  });

  describe("with FilterDeployments", () => {
    const definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/filterdeployments.wasme.io";
    const list = (bench: MigrateBench): string => `/apis/wasme.io/v1/namespaces/${bench.namespace}/filterdeployments`;
    /** A filter the old operator made, from a definition without schema. */
    const openOwned = async (prefix: string): Promise<MigrateBench> => {
      await client.apply(oldDefinition);
      const bench = await open(prefix);
      const filter = { id: "f1", image: imageNamed("f1"), rootID: "my_root" };
      const spec = { filter, deployment: { istio: { kind: "Deployment" } } };
      const object = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", metadata: { name: "fd" }, spec };
      // A kind that is new is not served at once.
      const metadata = await waitFor("the kind FilterDeployment", async () => {
        const made = await client.request<{ metadata: { uid: string } }>("POST", list(bench), object);
        return made.status === 201 ? made.body.metadata : undefined;
      });
      const status = { status: { observedGeneration: "1", workloads: { web: { state: "Succeeded" } } } };
      await client.request("PATCH", `${list(bench)}/fd/status`, status, MERGE);
      await leave(bench, "f1", { owner: { name: "fd", uid: metadata.uid } });
      return bench;
    };

    it("migrates them like others where no operator runs, and gives them today's definition", async () => {
      const bench = await openOwned("plain");
      await bench.migrate();
      const after = await bench.read(ISTIO, "envoyfilters/web-f1");
      expect(after.metadata["ownerReferences"]).toBeUndefined();
      expect(bench.lines()).toContain("the operator takes it up once it is installed");
      const { body } = await client.request<KubeObject>("GET", definition);
      expect(JSON.stringify(body["spec"])).toContain("x-kubernetes-validations");
      expect((await client.request("GET", `${list(bench)}/fd`)).status).toBe(200);
      expect((await bench.migrate()).mode).toBe("nothing");
    });

    it("leaves them to the operator until it is done, then takes the old objects away", async () => {
      const bench = await openOwned("handed");
      const conditions = (status: string): unknown => {
        return [{ type: "Ready", status, reason: "X", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" }];
      };
      const report = async (status: string): Promise<void> => {
        const body = { status: { observedGeneration: 1, conditions: conditions(status) } };
        await client.request("PATCH", `${list(bench)}/fd/status`, body, MERGE);
      };
      await report("False");
      const first = await bench.migrate();
      expect(first.filters).toEqual([]);
      expect(bench.lines()).toContain("stays until its FilterDeployment fd is ready");
      expect(await bench.status(ISTIO, "envoyfilters/web-f1")).toBe(200);
      await report("True");
      await bench.migrate();
      expect(await bench.status(ISTIO, "envoyfilters/web-f1")).toBe(404);
      expect(templateAnnotations(await bench.read("apps/v1", "deployments/web"))).toEqual({});
    });

    it("refuses to work against the old operator", async () => {
      const bench = await open("against");
      await leave(bench, "f1");
      const operator = workload(bench.cacheNamespace, { name: "wasme-operator", replicas: 1 });
      const text = JSON.stringify(operator).replace("registry.example.com/app:1", "quay.io/solo-io/wasme:0.0.33");
      const withArgs = text.replace('"name":"app"', '"name":"app","args":["operator","--log-level=debug"]');
      await client.apply(JSON.parse(withArgs) as KubeObject);
      const hint = `kubectl delete deployment wasme-operator -n ${bench.cacheNamespace}`;
      await expect(bench.migrate(REGISTRY)).rejects.toMatchObject({ code: "OLD_OPERATOR_RUNS", hint });
      await client.request("DELETE", `/apis/apps/v1/namespaces/${bench.cacheNamespace}/deployments/wasme-operator`);
      await bench.migrate(REGISTRY);
    });
  });

  it("names the right that is missing before anything is changed", async () => {
    const bench = await open("denied");
    await leave(bench, "f1");
    const before = await bench.state();
    const read = { apiGroups: ["*"], resources: ["*"], verbs: ["get", "list", "watch"] };
    const kubeconfig = await client.tokenFor([read], bench.namespace);
    await expect(bench.migrate(REGISTRY, { kubeconfig })).rejects.toMatchObject({
      code: "IMAGE_UNKNOWN",
      message: expect.stringContaining("not allowed to read the old wasme's list") as string,
    });
    const answered = { ...REGISTRY, images: [named("f1", imageNamed("f1"))] };
    await expect(bench.migrate(answered, { kubeconfig })).rejects.toMatchObject({
      code: "KUBE_FORBIDDEN",
      message: expect.stringContaining("patch wasmplugins.extensions.istio.io") as string,
    });
    expect(await bench.state()).toEqual(before);
    await bench.migrate(REGISTRY);
  });
});

const MERGE = "application/merge-patch+json";

/** As a v1 server took it from those who made it by hand: the old one had no schema at all. */
const oldDefinition: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "filterdeployments.wasme.io" },
  spec: {
    group: "wasme.io",
    names: {
      kind: "FilterDeployment",
      listKind: "FilterDeploymentList",
      plural: "filterdeployments",
      singular: "filterdeployment",
    },
    scope: "Namespaced",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
};

function cacheIn(bench: MigrateBench): { name: string; namespace: string; image: string; imagePullPolicy: "Always" } {
  const image = "registry.example.com/wasme:0.1.0";
  return { name: "wasme-cache", namespace: bench.cacheNamespace, image, imagePullPolicy: "Always" };
}
