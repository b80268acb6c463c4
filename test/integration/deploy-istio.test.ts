import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { PATCH_CONTEXTS } from "../../src/domain/filter.ts";
import type { CacheRequest } from "../../src/deploy/request.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { startCluster } from "../cluster/cluster.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { startReporter } from "./deploy-reporter.ts";
import { type Bench, documentedRules, imageOf, openBench, templateAnnotations, workload } from "./deploy-support.ts";

const cluster = await component("cluster", sharedCluster);
const EXTENSIONS = "extensions.istio.io/v1alpha1";
const REGCRED = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "regcred" },
  type: "kubernetes.io/dockerconfigjson",
  data: { ".dockerconfigjson": Buffer.from('{"auths":{}}').toString("base64") },
};
const ISTIO = "networking.istio.io/v1alpha3";

describe.skipIf("skip" in cluster)("deploy istio on a real API server", () => {
  let client: ClusterClient;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });

  it("does not write over the object of another kind of workload with the same name", async () => {
    const bench = await openBench(client, "taken");
    await client.apply([workload(bench.namespace), workload(bench.namespace, { kind: "StatefulSet" })]);
    await bench.deploy({ via: "wasmplugin" });
    const workloads = { kind: "StatefulSet", namespace: bench.namespace, labels: {} } as const;
    const attempt = bench.deploy({ via: "wasmplugin", workloads });
    await expect(attempt).rejects.toMatchObject({ kind: "usage", code: "FILTER_NAME_TAKEN" });
    expect((await bench.deploy({ via: "wasmplugin" })).outcomes.map(({ outcome }) => outcome)).toEqual(["unchanged"]);
    expect((await bench.deploy({ via: "wasmplugin", id: "other", workloads })).outcomes).toHaveLength(1);
  });

  const withWeb = async (prefix: string): Promise<Bench> => {
    const bench = await openBench(client, prefix);
    await client.apply(workload(bench.namespace));
    return bench;
  };

  describe.each(["wasmplugin", "trafficextension"] as const)("by %s", (via) => {
    it.each(PATCH_CONTEXTS)("is accepted with context %s and restarts nothing", async (patchContext) => {
      const bench = await withWeb(via.slice(0, 6));
      const before = await generation(bench);
      const more = {
        via,
        patchContext,
        phase: "authn",
        failurePolicy: "reload",
        config: '{"a":[1,{"b":null}]}',
        pullSecret: "regcred",
      } as const;
      // Proxies that are refused once stay so: nothing is written before they can pull.
      const open = { ...more, delivery: "auto", pullSecret: undefined } as const;
      const refused = bench.deploy(open, imageOf("private", { isPrivate: true }));
      await expect(refused).rejects.toMatchObject({
        code: "VIA_UNSUITABLE",
        hint: expect.stringContaining("--pull-secret") as string,
      });
      await expect(bench.deploy(more)).rejects.toMatchObject({ code: "PULL_SECRET_NOT_FOUND" });
      await client.apply(REGCRED, bench.namespace);
      const result = await bench.deploy(more);
      expect(result.outcomes.map(({ ref, outcome }) => `${ref.name} ${outcome}`)).toEqual(["web-hello created"]);
      expect(await generation(bench)).toBe(before);
      expect((await bench.deploy(more)).outcomes.map(({ outcome }) => outcome)).toEqual(["unchanged"]);
      expect((await bench.deploy({ ...more, priority: 5 })).outcomes.map(({ outcome }) => outcome)).toEqual([
        "changed",
      ]);
      await bench.undeploy();
      expect(await bench.status(EXTENSIONS, `${via}s/web-hello`)).toBe(404);
      expect(await generation(bench)).toBe(before);
    });

    it("is refused with a config that is no JSON object, before the image or the cluster is asked", async () => {
      const bench = await withWeb("text");
      await expect(bench.deploy({ via, config: "plain" })).rejects.toMatchObject({
        kind: "usage",
        code: "VIA_UNSUITABLE",
      });
      expect(bench.events).toEqual([]);
    });
  });

  it.each(PATCH_CONTEXTS)("writes an EnvoyFilter the server accepts with context %s", async (patchContext) => {
    const bench = await openBench(client, "context");
    await client.apply(workload(bench.namespace, { containers: ["istio-proxy"] }));
    await bench.deploy({
      patchContext,
      failurePolicy: "open",
      config: "text",
      cache: { ...cacheIn(bench), timeoutMs: 0 },
    });
    const { spec } = await bench.read<{ spec: { configPatches: { match: { context: string } }[] } }>(
      ISTIO,
      "envoyfilters/web-hello",
    );
    const words = { inbound: "SIDECAR_INBOUND", outbound: "SIDECAR_OUTBOUND", gateway: "GATEWAY", any: "ANY" };
    expect(spec.configPatches[0]?.match.context).toBe(words[patchContext]);
  });

  it("takes by itself the first kind that can express the request, and says why", async () => {
    const bench = await withWeb("auto");
    expect((await bench.deploy({ via: "auto" })).via).toBe("trafficextension");
    const text = await bench.deploy({ via: "auto", config: "plain text" });
    expect(text.via).toBe("envoyfilter");
    expect(text.outcomes.at(-1)).toMatchObject({ outcome: "deleted", ref: { kind: { kind: "TrafficExtension" } } });
    expect(bench.events).toContainEqual({
      type: "milestone",
      message: expect.stringMatching(
        /^by EnvoyFilter: each of TrafficExtension, WasmPlugin takes a JSON object/u,
      ) as string,
    });
    const proxyRefusal = "it needs two layers, or tar+gzip as the last one; there are 1";
    const single = imageOf("registry.example.com/team/hello:v1", { proxyRefusal });
    expect(await bench.deploy({ via: "auto", delivery: "registry", config: "plain" })).toMatchObject({
      via: "envoyfilter",
    });
    // The kind it has is kept, although another could express the request again.
    expect((await bench.deploy({ via: "auto", delivery: "registry" })).via).toBe("envoyfilter");
    expect(bench.events).toContainEqual({ type: "milestone", message: "by EnvoyFilter: the filter is deployed by it" });
    expect((await bench.deploy({ via: "auto", id: "single" }, single)).via).toBe("envoyfilter");
    expect(bench.events).toContainEqual({
      type: "milestone",
      message: expect.stringContaining(proxyRefusal) as string,
    });
    // The node cache is there by now, and takes any layout.
    const other = await bench.deploy({ via: "auto", id: "other" }, single);
    expect(other).toMatchObject({ via: "trafficextension", delivery: "cache-http" });
    await expect(bench.deploy({ via: "wasmplugin", delivery: "registry" }, single)).rejects.toMatchObject({
      code: "VIA_UNSUITABLE",
      kind: "incompatible",
      message: expect.stringContaining(proxyRefusal) as string,
    });
    await expect(bench.deploy({ via: "auto", phase: "authn", config: "plain" })).rejects.toMatchObject({
      code: "VIA_UNSUITABLE",
      kind: "incompatible",
    });
  });

  it("selects by the labels of the workload and emits those of the pods", async () => {
    const bench = await openBench(client, "select");
    await client.apply([
      workload(bench.namespace, { name: "one", labels: { tier: "front" } }),
      workload(bench.namespace, { name: "two", labels: { tier: "front" } }),
      workload(bench.namespace, { name: "three", labels: { tier: "back" } }),
    ]);
    const workloads = { kind: "Deployment", namespace: bench.namespace, labels: { tier: "front" } } as const;
    const result = await bench.deploy({ via: "wasmplugin", workloads });
    expect(result.outcomes.map(({ ref }) => ref.name)).toEqual(["one-hello", "two-hello"]);
    const plugin = await bench.read<{ spec: { selector: unknown } }>(EXTENSIONS, "wasmplugins/one-hello");
    expect(plugin.spec.selector).toEqual({ matchLabels: { app: "one", version: "v1" } });
    await bench.undeploy({ workloads: { ...workloads, labels: { app: "one" } } });
    expect(await bench.status(EXTENSIONS, "wasmplugins/one-hello")).toBe(404);
    expect(await bench.status(EXTENSIONS, "wasmplugins/two-hello")).toBe(200);
  });

  it("undeploys what a deleted workload left behind", async () => {
    const bench = await withWeb("orphan");
    await bench.deploy();
    await client.request("DELETE", `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`);
    await bench.undeploy();
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);
  });

  it("tells a namespace, a workload and a filter that are not there", async () => {
    const bench = await withWeb("nothing");
    const { namespace } = bench;
    const none = { kind: "Deployment", namespace, labels: { app: "nobody" } } as const;
    await expect(bench.deploy({ workloads: none })).rejects.toMatchObject({
      kind: "not-found",
      code: "WORKLOAD_NOT_FOUND",
      message: `no Deployment in namespace "${namespace}" has label app=nobody`,
      hint: expect.stringContaining(`kubectl get deploy -n ${namespace} --show-labels`) as string,
    });
    const nowhere = { ...none, namespace: "no-such-namespace" };
    await expect(bench.deploy({ workloads: nowhere })).rejects.toMatchObject({
      kind: "not-found",
      code: "NAMESPACE_NOT_FOUND",
    });
    await expect(bench.undeploy({ id: "never" })).rejects.toMatchObject({
      kind: "not-found",
      code: "FILTER_NOT_DEPLOYED",
    });
  });

  it("names the other manager when a field of ours was taken over, and takes it back when told to", async () => {
    const bench = await withWeb("conflict");
    await bench.deploy({ via: "wasmplugin" });
    await client.apply({
      apiVersion: EXTENSIONS,
      kind: "WasmPlugin",
      metadata: { name: "web-hello", namespace: bench.namespace },
      spec: {
        priority: 99,
        url: (await bench.read<{ spec: { url: string } }>(EXTENSIONS, "wasmplugins/web-hello")).spec.url,
      },
    });
    await expect(bench.deploy({ via: "wasmplugin" })).rejects.toMatchObject({
      code: "KUBE_FIELD_CONFLICT",
      message: expect.stringMatching(/\.spec\.priority is owned by .*"wasme-test"/u) as string,
      hint: expect.stringContaining("--force-conflicts") as string,
    });
    await bench.deploy({ via: "wasmplugin", forceConflicts: true });
    const { spec } = await bench.read<{ spec: { priority: number } }>(EXTENSIONS, "wasmplugins/web-hello");
    expect(spec.priority).toBe(10);
  });

  it("refuses ids that cannot name objects before anything else", async () => {
    const bench = await withWeb("id");
    await expect(bench.deploy({ id: "My_Filter" })).rejects.toMatchObject({ kind: "usage", code: "FILTER_ID_INVALID" });
    expect(bench.events).toEqual([]);
  });

  it("refuses a component and an unknown ABI, unless it is told not to look", async () => {
    const bench = await withWeb("abi");
    const odd = imageOf("registry.example.com/team/odd:v1", { runtimeConfig: { abiVersions: ["v9.9.9"] } });
    await expect(bench.deploy({}, odd)).rejects.toMatchObject({ kind: "incompatible", code: "MODULE_INCOMPATIBLE" });
    const wasip2 = imageOf("registry.example.com/team/odd:v1", { format: "component" });
    await expect(bench.deploy({}, wasip2)).rejects.toMatchObject({ code: "MODULE_INCOMPATIBLE" });
    expect((await bench.deploy({ via: "wasmplugin", check: false }, odd)).via).toBe("wasmplugin");
  });

  it("works with exactly the documented rights, and names each one that is missing", async () => {
    const bench = await withWeb("rights");
    const cache = { ...cacheIn(bench), namespace: bench.namespace };
    const files = { cache, delivery: "cache-file" } as const;
    startReporter(client, bench.namespace);
    await bench.deploy({ id: "first", ...files });
    const documented = await documentedRules();
    const rules = [...documented.deploy, ...documented.cache];
    const minimal = bench.as(await client.tokenFor(rules, bench.namespace));
    await minimal.deploy(files);
    await minimal.undeploy();
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);

    const all = rules.flatMap((rule) => rule.verbs.map((verb) => ({ ...rule, verbs: [verb] })));
    // Both parts are of one namespace here: a right that both name is one.
    const singles = [...new Map(all.map((rule) => [JSON.stringify(rule), rule])).values()];
    const failures: string[] = [];
    // Who may not list the other kinds is told that volumes stay; that is no failure.
    for (const left of singles.filter(({ resources }) => !resources.includes("wasmplugins"))) {
      const limited = bench.as(
        await client.tokenFor(
          singles.filter((rule) => rule !== left),
          bench.namespace,
        ),
      );
      const [resource = "", verb = ""] = [left.resources[0], left.verbs[0]];
      // Listing and deleting our own filters is only needed to take one away.
      const removal = resource === "envoyfilters" && (verb === "list" || verb === "delete");
      const run = removal ? limited.undeploy({ id: "first" }) : limited.deploy(files);
      const error = await run.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      const text =
        error instanceof Error ? `${error.message} | ${String((error as { hint?: string }).hint)}` : "no error";
      const named = new RegExp(`^not allowed to .*${verb} ${resource}.*kubectl auth can-i ${verb} ${resource}`, "u");
      if (!named.test(text) || (error as { kind?: string }).kind !== "unauthorised")
        failures.push(`${verb} ${resource}: ${text}`);
    }
    expect(failures).toEqual([]);
  });

  it("makes nothing when a right to make the cache is missing", async () => {
    const bench = await withWeb("no-cache");
    const { deploy, cache: clusterRules } = await documentedRules();
    const limited = bench.as(await client.tokenFor(deploy, bench.namespace, { clusterRules }));
    await expect(limited.deploy()).rejects.toMatchObject({
      kind: "unauthorised",
      message: expect.stringMatching(/create daemonsets\.apps .*nothing was changed$/u) as string,
    });
    expect((await client.request("GET", `/api/v1/namespaces/${bench.cacheNamespace}`)).status).toBe(404);
  });

  it("says that Istio is not there, and which kind an explicit --via misses", async () => {
    const own = await startCluster({ nodes: 1, crds: ["EnvoyFilter"] });
    const none = await startCluster({ nodes: 1, crds: "none" });
    try {
      const some = await openBench(own, "some");
      await own.apply(workload(some.namespace));
      expect((await some.deploy({ via: "auto" })).via).toBe("envoyfilter");
      await expect(some.deploy({ via: "trafficextension" })).rejects.toMatchObject({
        kind: "incompatible",
        code: "KUBE_KIND_NOT_SERVED",
        message: expect.stringContaining("Istio's TrafficExtension") as string,
      });
      await some.undeploy();
      const bare = await openBench(none, "bare");
      await none.apply(workload(bare.namespace));
      await expect(bare.deploy({ via: "auto" })).rejects.toMatchObject({
        kind: "incompatible",
        code: "ISTIO_NOT_INSTALLED",
      });
      await expect(bare.deploy()).rejects.toMatchObject({
        message: expect.stringContaining("Istio's EnvoyFilter") as string,
      });
      expect((await none.request("GET", `/api/v1/namespaces/${bare.cacheNamespace}`)).status).toBe(404);
    } finally {
      await Promise.all([own.stop(), none.stop()]);
    }
  });

  it("prints manifests that kubectl apply accepts and that give what a deploy gives", async () => {
    const bench = await openBench(client, "manifests");
    const folder = await mkdtemp(join(tmpdir(), "wasme-manifests-"));
    try {
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web" },
        spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
      };
      const { metadata, ...rest } = workload(bench.namespace);
      const { namespace: _namespace, ...bare } = metadata;
      const web = { ...rest, metadata: bare } as KubeObject;
      await writeFile(join(folder, "web.yaml"), `${stringify(service)}---\n# a comment\n${stringify(web)}---\n`);
      await writeFile(
        join(folder, "other.yaml"),
        stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "other" } }),
      );
      const workloads = { kind: "Deployment", namespace: undefined, labels: { app: "web" } } as const;
      const printed = await bench.deploy({ manifests: [folder], workloads, via: "auto" });
      expect(
        printed.objects.map((object) => `${object.kind} ${object.metadata.namespace ?? "-"}/${object.metadata.name}`),
      ).toEqual([
        `Namespace -/${bench.cacheNamespace}`,
        `ConfigMap ${bench.cacheNamespace}/wasme-cache`,
        `ServiceAccount ${bench.cacheNamespace}/wasme-cache`,
        `Role ${bench.cacheNamespace}/wasme-cache`,
        `RoleBinding ${bench.cacheNamespace}/wasme-cache`,
        `Service ${bench.cacheNamespace}/wasme-cache`,
        `DaemonSet ${bench.cacheNamespace}/wasme-cache`,
        "Service -/web",
        "Deployment -/web",
        "EnvoyFilter -/web-hello",
      ]);
      const text = printed.objects.map((object) => stringify(object, { version: "1.1" })).join("---\n");
      await client.apply(text, bench.namespace);
      expect(templateAnnotations(await bench.read("apps/v1", "deployments/web"))).toHaveProperty([
        "sidecar.istio.io/userVolume",
      ]);
      const again = await bench.deploy({ dryRun: "server", forceConflicts: true });
      expect(again.outcomes.filter(({ outcome }) => outcome !== "unchanged")).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  const generation = async (bench: Bench): Promise<number> =>
    (await bench.read<{ metadata: { generation: number } }>("apps/v1", "deployments/web")).metadata.generation;
  const cacheIn = (bench: Bench): CacheRequest => ({
    name: "wasme-cache",
    namespace: bench.cacheNamespace,
    image: "registry.example.com/wasme:0.1.0",
    imagePullPolicy: "IfNotPresent",
    timeoutMs: 30_000,
  });
});
