import { beforeAll, describe, expect, it } from "vitest";
import { DELIVERIES, type Delivery } from "../../src/domain/delivery.ts";
import { type Via, VIAS } from "../../src/deploy/request.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { type Bench, imageOf, openBench, templateAnnotations, workload } from "./deploy-support.ts";

const cluster = await component("cluster", sharedCluster);
const APPS = "apps/v1";
const GROUP: Readonly<Record<Via, string>> = {
  envoyfilter: "networking.istio.io/v1alpha3",
  wasmplugin: "extensions.istio.io/v1alpha1",
  trafficextension: "extensions.istio.io/v1alpha1",
};
const V1 = imageOf("registry.example.com/team/hello:v1", { format: "compat" });
const V2 = imageOf("registry.example.com/team/hello:v2", { format: "compat" });
const OWN = { "sidecar.istio.io/userVolume": '[{"name":"mine",   "emptyDir":{}}]' };

const pairs = VIAS.flatMap((via) => DELIVERIES.map((delivery) => [via, delivery] as const)).filter(
  ([via, delivery]) => via !== "envoyfilter" || delivery !== "image-volume",
);

describe.skipIf("skip" in cluster)("every way to deliver, on a real API server", () => {
  let client: ClusterClient;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });

  const withWeb = async (prefix: string, shape: Parameters<typeof workload>[1] = {}): Promise<Bench> => {
    const bench = await openBench(client, prefix);
    await client.apply(workload(bench.namespace, { annotations: OWN, ...shape }));
    return bench;
  };
  const list = async (bench: Bench): Promise<Record<string, string> | undefined> => {
    const path = `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`;
    return (await client.request<{ data?: Record<string, string> }>("GET", path)).body.data;
  };
  const said = (bench: Bench): readonly string[] =>
    bench.events.flatMap((event) => (event.type === "milestone" ? [event.message] : []));
  /** Nothing of ours is left: no object, annotation, volume or cache. */
  const expectClean = async (bench: Bench): Promise<void> => {
    for (const via of VIAS) expect(await bench.status(GROUP[via], `${via}s/web-hello`)).toBe(404);
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual(OWN);
    expect(
      (await client.request("GET", `/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`)).status,
    ).toBe(404);
    expect(
      (await client.request("GET", `/api/v1/namespaces/${bench.cacheNamespace}/configmaps/wasme-cache`)).status,
    ).toBe(404);
  };
  const cached = (delivery: Delivery): boolean => delivery === "cache-http" || delivery === "cache-file";

  it.each(pairs)("%s by %s: deployed, again, updated, undeployed", async (via, delivery) => {
    const bench = await withWeb(`${via.slice(0, 3)}-${delivery.slice(-4)}`);
    const way = { via, delivery } as const;
    const first = await bench.deploy(way, V1);
    expect(first).toMatchObject({ via, delivery });
    const object = await bench.read(GROUP[via], `${via}s/web-hello`);
    expect(object.metadata.annotations).toMatchObject({ "wasme.io/delivery": delivery });
    const digest = delivery === "registry" || delivery === "image-volume" ? V1.manifestDigest : V1.moduleDigest;
    expect(JSON.stringify(object["spec"])).toContain(digest.slice(7));
    expect(Object.keys((await list(bench)) ?? {})).toHaveLength(cached(delivery) ? 1 : 0);

    const again = await bench.deploy(way, V1);
    expect(new Set(again.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["unchanged"]));
    // Without naming it the way stays, too.
    const stays = await bench.deploy({ via }, V1);
    expect(stays.delivery).toBe(delivery);
    expect(new Set(stays.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["unchanged"]));

    const updated = await bench.deploy(way, V2);
    expect(updated.outcomes.map(({ ref, outcome }) => `${ref.kind.kind} ${outcome}`)).toContain(
      `${object.kind} changed`,
    );
    const listed = [`registry.example.com/team/hello:v2@${V2.manifestDigest}`];
    expect(Object.values((await list(bench)) ?? {})).toEqual(cached(delivery) ? listed : []);
    const volumes = templateAnnotations(await bench.read(APPS, "deployments/web"))["sidecar.istio.io/userVolume"] ?? "";
    expect(volumes.includes(V2.manifestDigest)).toBe(delivery === "image-volume");
    expect(volumes).not.toContain(V1.manifestDigest);
    await bench.undeploy();
    await expectClean(bench);
  });

  it("changes over from any way to any other, and leaves nothing of the old one", async () => {
    const bench = await withWeb("over");
    const generations: number[] = [];
    for (const delivery of [
      "registry",
      "cache-http",
      "cache-file",
      "image-volume",
      "cache-http",
      "cache-file",
      "registry",
    ] as const) {
      await bench.deploy({ via: "wasmplugin", delivery }, V1);
      const web = await bench.read<KubeObject & { metadata: { generation: number } }>(APPS, "deployments/web");
      generations.push(web.metadata.generation);
      const volumes = templateAnnotations(web)["sidecar.istio.io/userVolume"] ?? "";
      expect([volumes.includes("hostPath"), volumes.includes('"image"')]).toEqual([
        delivery === "cache-file",
        delivery === "image-volume",
      ]);
      expect(Object.keys((await list(bench)) ?? {})).toHaveLength(cached(delivery) ? 1 : 0);
    }
    // No pod restarts for what needs no volume.
    expect(generations[1]).toBe(generations[0]);
    await bench.undeploy();
    await expectClean(bench);
  });

  it("takes the cache by itself when it is there, and says why", async () => {
    const bench = await withWeb("auto");
    await bench.deploy({ id: "first", via: "wasmplugin", delivery: "cache-http" }, V1);
    const result = await bench.deploy({ via: "auto" }, V2);
    expect(result).toMatchObject({ via: "trafficextension", delivery: "cache-http" });
    expect(said(bench)).toContain(`delivery cache-http: the node cache ${bench.cacheNamespace}/wasme-cache serves it`);
    const text = await bench.deploy({ via: "auto", config: "text" }, V2);
    expect(text).toMatchObject({ via: "envoyfilter", delivery: "cache-http" });
    const spec = JSON.stringify((await bench.read(GROUP.envoyfilter, "envoyfilters/web-hello"))["spec"]);
    expect(spec).toContain(`http://wasme-cache.${bench.cacheNamespace}/${V2.moduleDigest.slice(7)}`);
    expect(await bench.status(GROUP.trafficextension, "trafficextensions/web-hello")).toBe(404);
  });

  it("keeps the way of a filter that is there, and names the better one", async () => {
    const bench = await withWeb("keep");
    await bench.deploy({ via: "wasmplugin" }, V1);
    await bench.deploy({ id: "other", via: "wasmplugin", delivery: "cache-http" }, V1);
    const result = await bench.deploy({ via: "wasmplugin" }, V2);
    expect(result.delivery).toBe("registry");
    expect(said(bench)).toContainEqual(expect.stringMatching(/could serve it: --delivery cache-http/u));
  });

  it("gives the cache that serves over HTTP a directory when files are asked for, and says so", async () => {
    const bench = await withWeb("switch");
    await bench.deploy({ via: "wasmplugin", delivery: "cache-http" }, V1);
    const level = async (): Promise<string | undefined> => {
      const { body } = await client.request<KubeObject>("GET", `/api/v1/namespaces/${bench.cacheNamespace}`);
      return body.metadata.labels?.["pod-security.kubernetes.io/enforce"];
    };
    expect(await level()).toBe("restricted");
    await bench.deploy({ id: "files", via: "envoyfilter", delivery: "cache-file" }, V1);
    expect(await level()).toBe("privileged");
    expect(said(bench)).toContainEqual(
      expect.stringMatching(/DaemonSet .*gives the node cache a directory on each node$/u),
    );
    const { body } = await client.request<KubeObject>(
      "GET",
      `/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`,
    );
    expect(JSON.stringify(body["spec"])).toContain('"hostPath":{"path":"/var/lib/wasme"');
    // Back to HTTP for the other filter: the directory stays for the first.
    const again = await bench.deploy({ via: "wasmplugin", delivery: "cache-http" }, V1);
    expect(new Set(again.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["unchanged"]));
  });

  it("mounts an image into a gateway's own template, and checks its pods", async () => {
    const bench = await withWeb("gateway", { annotations: {}, containers: ["istio-proxy"] });
    const before = (await bench.read(APPS, "deployments/web"))["spec"];
    await bench.deploy({ via: "wasmplugin", delivery: "image-volume", patchContext: "gateway" }, V1);
    const { body } = await client.request<{ items: KubeObject[] }>("GET", `/api/v1/namespaces/${bench.namespace}/pods`);
    expect(JSON.stringify(body.items.at(-1)?.["spec"])).toContain(
      `"reference":"registry.example.com/team/hello@${V1.manifestDigest}"`,
    );
    await bench.deploy({ via: "wasmplugin", delivery: "image-volume", patchContext: "gateway" }, V2);
    await bench.undeploy();
    expect((await bench.read(APPS, "deployments/web"))["spec"]).toEqual(before);
  });

  it("notices pods whose injector dropped the image, and leaves the object unwritten", async () => {
    // A pod with a proxy, as an old injector makes it: the annotation is there, the volume is not.
    const bench = await withWeb("lost", { containers: ["app"] });
    const name = "istio-proxy";
    const proxy = { spec: { template: { spec: { initContainers: [{ name, image: "x", restartPolicy: "Always" }] } } } };
    await client.request(
      "PATCH",
      `/apis/apps/v1/namespaces/${bench.namespace}/deployments/web`,
      proxy,
      "application/merge-patch+json",
    );
    await expect(bench.deploy({ via: "wasmplugin", delivery: "image-volume" }, V1)).rejects.toMatchObject({
      kind: "incompatible",
      code: "IMAGE_VOLUME_LOST",
      hint: expect.stringContaining("--delivery cache-http") as string,
    });
    expect(await bench.status(GROUP.wasmplugin, "wasmplugins/web-hello")).toBe(404);
    await bench.undeploy();
    await expectClean(bench);
  });

  it("gives the cache the workload's credentials, and takes them away with the entry", async () => {
    const bench = await withWeb("secret");
    const secret = `/api/v1/namespaces/${bench.cacheNamespace}/secrets/wasme-cache-pull`;
    const way = { via: "wasmplugin", delivery: "cache-http", pullSecret: "regcred" } as const;
    await expect(bench.deploy(way, V1)).rejects.toMatchObject({ kind: "not-found", code: "PULL_SECRET_NOT_FOUND" });
    const config = Buffer.from('{"auths":{"registry.example.com":{"auth":"dTpw"}}}').toString("base64");
    const regcred = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "regcred" },
      type: "Opaque",
      data: { a: config },
    };
    await client.apply(regcred, bench.namespace);
    await expect(bench.deploy(way, V1)).rejects.toMatchObject({ kind: "usage", code: "PULL_SECRET_UNUSABLE" });
    await client.request("DELETE", `/api/v1/namespaces/${bench.namespace}/secrets/regcred`);
    const type = "kubernetes.io/dockerconfigjson";
    await client.apply({ ...regcred, type, data: { ".dockerconfigjson": config } }, bench.namespace);
    await bench.deploy(way, V1);
    const { body } = await client.request<{ data: Record<string, string> }>("GET", secret);
    expect(body.data).toEqual({ [`sha256-${V1.manifestDigest.slice(7)}`]: config });
    const object = JSON.stringify((await bench.read(GROUP.wasmplugin, "wasmplugins/web-hello"))["spec"]);
    expect(object).not.toContain("regcred");
    const dry = await bench.deploy({ ...way, dryRun: "server" }, V2);
    expect(JSON.stringify([dry, bench.events])).not.toContain(config);
    await bench.deploy(way, V2);
    expect((await client.request<{ data: object }>("GET", secret)).body.data).toEqual({
      [`sha256-${V2.manifestDigest.slice(7)}`]: config,
    });
    await bench.undeploy();
    expect((await client.request("GET", secret)).status).toBe(404);
    await expectClean(bench);
  });
});
