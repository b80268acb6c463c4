import { beforeEach, describe, expect, it } from "vitest";
import { relist } from "../../../src/deploy/apply-list.ts";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { type Inhabitants, inhabitants, inhabitedNote } from "../../../src/deploy/inhabitants.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import { refTitle, type Step } from "../../../src/deploy/plan.ts";
import type { DeployRequest } from "../../../src/deploy/request.ts";
import type { Delivery } from "../../../src/domain/delivery.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { JsonObject } from "../../../src/domain/json.ts";
import { Kinds, type ResourceKind } from "../../../src/kube/kinds.ts";
import { stringMapAt } from "../../../src/kube/objects.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { cacheEntry, cachePodLabels } from "../../../src/mesh/cache-objects.ts";
import { DELIVERY_ANNOTATION } from "../../../src/mesh/names.ts";
import { formatEntryReport, NODE_LABEL } from "../../../src/mesh/node-report.ts";
import { imageOf as imageNamed } from "../../integration/deploy-support.ts";
import { act, depsOf, imageOf, LIST, listedIn, requestFor, start, undeployFor } from "./list-bench.ts";
import type { MemoryCluster } from "./memory-cluster.ts";

const DAEMON_SET = { ...LIST, kind: Kinds.daemonSet };
const SPACE = { kind: Kinds.namespace, name: LIST.namespace };
const PULL = { kind: Kinds.secret, namespace: LIST.namespace, name: "wasme-cache-pull" };
const APPLY = { force: false, waits: "block" } as const;

describe("a node cache that several share", () => {
  let cluster: MemoryCluster;
  let port: KubePort;
  beforeEach(async () => {
    cluster = await start();
    port = cluster.port();
  });

  const secretIn = async (namespace: string): Promise<void> => {
    const data = { ".dockerconfigjson": "e30=" };
    const metadata = { name: "regcred", namespace };
    const type = "kubernetes.io/dockerconfigjson";
    await port.create(Kinds.secret, { apiVersion: "v1", kind: "Secret", metadata, type, data });
  };
  const deploy = async (namespace: string, more: Partial<DeployRequest> = {}, by = port): Promise<void> => {
    const deps = depsOf(by);
    const plan = await planDeploy(deps, { ...requestFor(namespace, "cache-http"), ...more }, imageOf("v1"));
    await applyPlan(deps, plan, APPLY);
  };
  const applies = (steps: readonly Step[]): readonly string[] =>
    steps.flatMap((step) => (step.type === "apply" ? [refTitle(step.ref)] : []));

  it("keeps an image's credentials as long as its entry", async () => {
    await secretIn("shop");
    await deploy("shop", { pullSecret: "regcred" });
    const going = await planUndeploy(depsOf(port), undeployFor("shop"));
    await act(port, { namespace: "mall", does: "v1" });
    await applyPlan(depsOf(port), going, APPLY);
    expect(listedIn(cluster)).toHaveLength(1);
    expect(Object.keys(stringMapAt(cluster.find(PULL), "data"))).toEqual(listedIn(cluster));
    await act(port, { namespace: "mall", does: "undeploy" });
    expect([cluster.find(LIST), cluster.find(PULL), cluster.find(DAEMON_SET)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("takes everything of a first deploy that stopped before its object away again", async () => {
    await secretIn("shop");
    const dying: KubePort = {
      ...port,
      apply: (kind, object, options) =>
        kind === Kinds.wasmPlugin ? Promise.reject(new Error("killed")) : port.apply(kind, object, options),
    };
    await expect(deploy("shop", { pullSecret: "regcred" }, dying)).rejects.toThrow("killed");
    expect(listedIn(cluster)).toHaveLength(1);
    await act(port, { namespace: "shop", does: "undeploy" });
    expect([cluster.find(LIST), cluster.find(PULL), cluster.find(DAEMON_SET)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("takes it for done when somebody deletes the Secret or the list between its look and its write", async () => {
    await secretIn("shop");
    await deploy("shop", { pullSecret: "regcred" });
    await port.patch(PULL, { data: { other: "e30=" } });
    const open = new Set<ResourceKind>([PULL.kind, LIST.kind]);
    const racing: KubePort = {
      ...port,
      patch: async (ref, patch, how) => {
        const isRelease = JSON.stringify(patch["data"] ?? {}).endsWith(":null}");
        if (isRelease && open.delete(ref.kind)) await port.delete(ref);
        return await port.patch(ref, patch, how);
      },
    };
    await applyPlan(depsOf(racing), await planUndeploy(depsOf(racing), undeployFor("shop")), APPLY);
    expect([cluster.find(PULL), open.size, cluster.all(Kinds.wasmPlugin)]).toEqual([undefined, 0, []]);
  });

  it("leaves a Secret of an admin there, without our key", async () => {
    const { kind, ...metadata } = PULL;
    await port.create(kind, { apiVersion: "v1", kind: "Secret", metadata, data: {} });
    await secretIn("shop");
    await deploy("shop", { pullSecret: "regcred" });
    expect(Object.keys(stringMapAt(cluster.find(PULL), "data"))).toHaveLength(1);
    await act(port, { namespace: "shop", does: "undeploy" });
    expect(cluster.find(PULL)).toMatchObject({ data: {} });
  });

  it("is left as somebody changed it, and brought to a later release only", async () => {
    const { cache } = requestFor("shop", "cache-http");
    const release = (tag: string): Partial<DeployRequest> => ({ cache: { ...cache, image: `h.io/wasme:${tag}` } });
    await deploy("shop", release("0.2.0"));
    await port.patch(DAEMON_SET, { spec: { template: { metadata: { labels: { "app.kubernetes.io/name": "x" } } } } });
    const planned = async (tag: string, by = port, trial = false): Promise<readonly [string, readonly string[]]> => {
      const request = { ...requestFor("mall", "cache-http"), ...release(tag) };
      const { steps, notes } = await planDeploy({ ...depsOf(by), trial }, request, imageOf("v1"));
      return [notes.find((note) => note.includes("used as it is")) ?? "", applies(steps)];
    };
    const only = ["", ["WasmPlugin mall/web-hello"]];
    for (const tag of ["0.2.0", "0.1.9", "latest"]) expect(await planned(tag)).toEqual(only);
    expect(await planned("0.10.0")).toEqual(["", ["DaemonSet wasme/wasme-cache", "WasmPlugin mall/web-hello"]]);
    const conflict = new WasmeError("failed", "KUBE_FIELD_CONFLICT", "somebody else owns it");
    const owned: KubePort = {
      ...port,
      apply: (kind, object, options) =>
        kind === Kinds.daemonSet ? Promise.reject(conflict) : port.apply(kind, object, options),
    };
    const [note, objects] = await planned("0.3.0", owned, true);
    expect([note, objects]).toEqual([expect.stringContaining("changed by somebody else"), only[1]]);
  });

  it("does not give a namespace of somebody else another level of pod security", async () => {
    const labels = { "pod-security.kubernetes.io/enforce": "baseline" };
    await port.create(SPACE.kind, { apiVersion: "v1", kind: "Namespace", metadata: { name: SPACE.name, labels } });
    const files = planDeploy(depsOf(port), requestFor("shop", "cache-file"), imageOf("v1"));
    await expect(files).rejects.toMatchObject({ code: "CACHE_WITHOUT_FILES" });
    await deploy("shop");
    const switching = planDeploy(depsOf(port), requestFor("shop", "cache-file"), imageOf("v1"));
    await expect(switching).rejects.toMatchObject({ code: "CACHE_WITHOUT_FILES" });
    await port.patch(SPACE, { metadata: { labels: { "pod-security.kubernetes.io/enforce": null } } });
    const { steps } = await planDeploy(depsOf(port), requestFor("shop", "cache-file"), imageOf("v1"));
    expect(applies(steps)).toEqual(["DaemonSet wasme/wasme-cache", "WasmPlugin shop/web-hello"]);
  });

  const written = (manager: string, operation: string, more: JsonObject = {}): JsonObject => ({
    metadata: {
      managedFields: [
        { manager: "wasme-cli", operation: "Apply" },
        { manager, operation, ...more },
      ],
    },
  });
  const spec = { fieldsV1: { "f:spec": {} } };
  it.each<[string, JsonObject]>([
    ["kubectl", { metadata: { annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" } } }],
    ["kubectl, by the name of its writer", written("kubectl-client-side-apply", "Update")],
    ["kubectl --server-side", written("kubectl", "Apply")],
    ["Helm", written("helm", "Update", spec)],
  ])("is not ours any more once it was installed over with %s", async (_, patch) => {
    await deploy("shop");
    await port.patch(DAEMON_SET, patch);
    const files = planDeploy(depsOf(port), requestFor("mall", "cache-file"), imageOf("v1"));
    await expect(files).rejects.toMatchObject({ hint: expect.stringContaining("wasme cache manifests --files") });
    const release = { cache: { ...requestFor("mall", "cache-http").cache, image: "h.io/wasme:9.9.9" } };
    const plan = await planDeploy(depsOf(port), { ...requestFor("mall", "cache-http"), ...release }, imageOf("v1"));
    expect(applies(plan.steps)).toEqual(["WasmPlugin mall/web-hello"]);
    await act(port, { namespace: "shop", does: "undeploy" });
    expect([cluster.find(DAEMON_SET), listedIn(cluster)]).toEqual([expect.anything(), []]);
    expect(cluster.find(LIST)).toBeDefined();
  });

  it.each<[string, JsonObject]>([
    [
      "reported on",
      written("kube-controller-manager", "Update", { subresource: "status", fieldsV1: { "f:status": {} } }),
    ],
    ["scaled", written("autoscaler", "Update", { subresource: "scale", ...spec })],
    ["restarted", written("kubectl-rollout", "Update", spec)],
    ["labelled", written("policy", "Update", { fieldsV1: { "f:metadata": {} } })],
  ])("is ours still once it was %s", async (_, patch) => {
    await deploy("shop");
    await port.patch(DAEMON_SET, patch);
    await act(port, { namespace: "shop", does: "undeploy" });
    expect([cluster.find(DAEMON_SET), cluster.find(LIST)]).toEqual([undefined, undefined]);
  });

  it("goes on pulling from where others need it, whoever brings the same bytes from another registry", async () => {
    const other = imageNamed("private.example.com/team/hello:v1", { manifestDigest: imageOf("v1").manifestDigest });
    const pulls = (): string => Object.values(stringMapAt(cluster.find(LIST), "data")).join();
    const bring = async (namespace: string, more: Partial<DeployRequest> = {}): Promise<readonly string[]> => {
      const plan = await planDeploy(depsOf(port), { ...requestFor(namespace, "cache-http"), ...more }, other);
      await applyPlan(depsOf(port), plan, APPLY);
      return plan.notes.filter((note) => note.includes("goes on pulling"));
    };
    await deploy("shop");
    const first = pulls();
    await secretIn("mall");
    const kept = [expect.stringContaining(`as ${first}: the same bytes, and other filters need it`)];
    expect([await bring("mall", { pullSecret: "regcred" }), pulls(), cluster.find(PULL)]).toEqual([
      kept,
      first,
      undefined,
    ]);
    await act(port, { namespace: "shop", does: "undeploy" });
    expect(pulls()).toBe(first);
    expect([await bring("mall"), pulls()]).toEqual([[], expect.stringContaining("private.example.com")]);
    const killed = { ...port, apply: () => Promise.reject(new Error("killed")) };
    await expect(deploy("shop", {}, killed)).rejects.toThrow("killed");
    await act(port, { namespace: "mall", does: "undeploy" });
    await deploy("mall");
    expect(pulls()).toContain("private.example.com");
    const failed = formatEntryReport({ state: "failed", reference: pulls(), time: "", error: "401" });
    const name = "wasme-cache-node-n1";
    const metadata = { name, namespace: LIST.namespace, labels: { ...cachePodLabels(LIST), [NODE_LABEL]: "n1" } };
    const data = { [listedIn(cluster).join()]: failed };
    await port.create(LIST.kind, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
    await deploy("mall");
    expect(pulls()).toBe(first);
  });

  it("goes on pulling from where the first of two deploys that began at once has it", async () => {
    const other = imageNamed("private.example.com/team/hello:v1", { manifestDigest: imageOf("v1").manifestDigest });
    await deploy("mall", {}, port);
    await act(port, { namespace: "mall", does: "v2" });
    const plans = [
      await planDeploy(depsOf(port), requestFor("shop", "cache-http"), imageOf("v1")),
      await planDeploy(depsOf(port), { ...requestFor("mall", "cache-http"), id: "other" }, other),
    ];
    for (const plan of plans) await applyPlan(depsOf(port), plan, APPLY);
    const key = listedIn(cluster).find((one) => one === cacheEntry(other).key) ?? "";
    expect(stringMapAt(cluster.find(LIST), "data")[key]).toContain("registry.example.com");
    await relist(depsOf(port), LIST, cacheEntry(other));
    expect(stringMapAt(cluster.find(LIST), "data")[key]).toContain("registry.example.com");
    await port.patch(LIST, { data: { [key]: null } });
    await relist(depsOf(port), LIST, cacheEntry(other));
    expect(stringMapAt(cluster.find(LIST), "data")[key]).toContain("private.example.com");
  });

  it("is waited for, behind a FilterDeployment, while it is only half there", async () => {
    await deploy("shop");
    await port.delete({ ...LIST, kind: Kinds.service });
    const owner = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", name: "hello", uid: "u" };
    const asked = requestFor("shop", "cache-http");
    const request = { ...asked, delivery: "auto", owner, cache: { ...asked.cache, upkeep: "use" } } as const;
    const plan = planDeploy(depsOf(port), request, imageOf("v1"));
    await expect(plan).rejects.toMatchObject({ code: "CACHE_NOT_INSTALLED" });
    const near = {
      ...request,
      delivery: "cache-http",
      cache: { ...request.cache, namespace: "edge", name: "near" },
    } as const;
    await expect(planDeploy(depsOf(port), near, imageOf("v1"))).rejects.toMatchObject({
      code: "CACHE_NOT_INSTALLED",
      hint: "wasme cache manifests -n edge --name near | kubectl apply -f -; or deploy with --delivery registry",
    });
  });

  const resting = async (
    meanwhile: (pause: number) => Promise<unknown> = () => Promise.resolve(),
    way: Delivery = "cache-http",
  ): Promise<readonly number[]> => {
    await deploy("shop");
    const object = { kind: Kinds.wasmPlugin, namespace: "shop", name: "web-hello" };
    await port.patch(object, { metadata: { annotations: { [DELIVERY_ANNOTATION]: way } } });
    const pauses: number[] = [];
    const clock = {
      ...depsOf(port).clock,
      sleep: async (ms: number): Promise<void> => {
        expect([cluster.all(Kinds.wasmPlugin), cluster.find(DAEMON_SET), cluster.find(LIST)]).toEqual([
          [],
          expect.anything(),
          expect.anything(),
        ]);
        await meanwhile(pauses.push(ms));
      },
    };
    const deps = { ...depsOf(port), clock };
    await applyPlan(deps, await planUndeploy(deps, undeployFor("shop")), APPLY);
    return pauses;
  };

  it("serves on for a while when its last filter has left, since proxies learn late", async () => {
    expect(await resting()).toEqual([5000]);
    expect([cluster.find(DAEMON_SET), cluster.find(LIST)]).toEqual([undefined, undefined]);
  });

  it("goes at once when nobody can ask it any more: files stay on the nodes", async () => {
    expect(await resting(undefined, "cache-file")).toEqual([]);
    expect(cluster.find(DAEMON_SET)).toBeUndefined();
  });

  it("stays when somebody comes while it serves on, and serves on anew when that one left, too", async () => {
    await resting(() => act(port, { namespace: "mall", does: "v1" }));
    expect([cluster.find(DAEMON_SET), listedIn(cluster)]).toEqual([expect.anything(), [expect.anything()]]);
    await act(port, { namespace: "mall", does: "undeploy" });
    const pauses = await resting(async (pause) => {
      if (pause === 1) await port.patch(LIST, { metadata: { labels: { touched: "yes" } } });
    });
    expect(pauses).toEqual([5000, 5000]);
    expect(cluster.find(DAEMON_SET)).toBeUndefined();
  });

  it("that was left alone while it served on goes with the next run, at once", async () => {
    await expect(resting(() => Promise.reject(new Error("killed")))).rejects.toThrow("killed");
    expect(cluster.find(DAEMON_SET)).toBeDefined();
    const sleep = (): Promise<void> => Promise.reject(new Error("no pause expected"));
    const deps = { ...depsOf(port), clock: { ...depsOf(port).clock, sleep } };
    await applyPlan(deps, await planUndeploy(deps, undeployFor("shop")), APPLY);
    expect([cluster.find(DAEMON_SET), cluster.find(LIST)]).toEqual([undefined, undefined]);
  });

  it("makes an object again that went between plan and apply", async () => {
    await deploy("shop");
    const plan = await planDeploy(depsOf(port), requestFor("shop", "cache-http"), imageOf("v1"));
    await act(port, { namespace: "mall", does: "v1" });
    await act(port, { namespace: "shop", does: "undeploy" });
    expect(cluster.all(Kinds.wasmPlugin)).toHaveLength(1);
    const { outcomes } = await applyPlan(depsOf(port), plan, APPLY);
    expect(outcomes.map(({ ref, outcome }) => `${ref.kind.kind} ${outcome}`)).toContain("WasmPlugin created");
    expect(cluster.all(Kinds.wasmPlugin)).toHaveLength(2);
  });

  it("does not write to an object that is being deleted, which would be gone soon after", async () => {
    await deploy("shop");
    const [object] = cluster.all(Kinds.wasmPlugin);
    const ref = { kind: Kinds.wasmPlugin, namespace: "shop", name: object?.metadata.name ?? "" };
    await port.patch(ref, { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["a/b"] } });
    await expect(deploy("shop")).rejects.toMatchObject({
      code: "OBJECT_NOT_READY",
      hint: expect.stringContaining(ref.name),
    });
  });

  it("warns that the filter may be there by a kind that may not be listed", async () => {
    const denied = new WasmeError("unauthorised", "KUBE_FORBIDDEN", "no");
    const limited: KubePort = {
      ...port,
      list: (one) => (one.kind === Kinds.envoyFilter ? Promise.reject(denied) : port.list(one)),
    };
    const { warnings } = await planDeploy(depsOf(limited), requestFor("shop", "registry"), imageOf("v1"));
    expect(warnings.map(({ message }) => message)).toEqual([
      'not allowed to list envoyfilters.networking.istio.io in namespace "shop": if filter hello is there by such an object, it runs twice',
    ]);
  });

  it("says who keeps an entry that nothing needs: a deploy that is slow, or was killed", async () => {
    await deploy("shop");
    const undeploying = (): ReturnType<typeof planUndeploy> => planUndeploy(depsOf(port), undeployFor("shop"));
    const goes = async (): Promise<unknown> =>
      (await undeploying()).steps.flatMap((step) => (step.type === "release" ? [step.action] : []));
    expect([await goes(), (await undeploying()).notes.join("\n")]).toEqual([
      ["update"],
      expect.not.stringMatching("mall"),
    ]);
    const killed = { ...port, apply: () => Promise.reject(new Error("killed")) };
    await expect(deploy("mall", {}, killed)).rejects.toThrow("killed");
    expect([await goes(), (await undeploying()).notes]).toEqual([
      ["unchanged"],
      expect.arrayContaining([
        expect.stringMatching(
          /keeps registry\.example\.com.* for mall\/hello, which is being deployed, or .* was stopped/u,
        ),
        expect.stringContaining('"wasme undeploy istio --id hello -n mall"'),
      ]),
    ]);
    await act(port, { namespace: "shop", does: "undeploy" });
    expect(listedIn(cluster)).toHaveLength(1);
    await act(port, { namespace: "mall", does: "undeploy" });
    expect(cluster.find(LIST)).toBeUndefined();
  });

  it("sees whatever is in a namespace, of custom kinds too, but for what its parts own", async () => {
    const lodger: ResourceKind = {
      group: "cert-manager.io",
      version: "v1",
      kind: "Certificate",
      plural: "certificates",
      namespaced: true,
    };
    const look = (by: KubePort): Promise<Inhabitants> =>
      inhabitants(depsOf(by), "shop", (one) => one === Kinds.deployment);
    expect(await look(port)).toEqual([]);
    const [web] = cluster.all(Kinds.deployment);
    const owned = { name: "told", namespace: "shop", ownerReferences: [{ uid: web?.metadata.uid ?? "" }] };
    const made = await port.create(lodger, { apiVersion: "", kind: "", metadata: owned });
    const grandchild = { ...owned, name: "of-told", ownerReferences: [{ uid: made.metadata.uid ?? "" }] };
    await port.create(Kinds.pod, { apiVersion: "", kind: "", metadata: grandchild });
    expect(await look(port)).toEqual([]);
    await port.create(lodger, { apiVersion: "", kind: "", metadata: { name: "own", namespace: "shop" } });
    const seen = await look(port);
    expect(inhabitedNote("shop", seen)).toBe("namespace shop stays: it holds Certificate shop/own");
    const refusing = (code: string): KubePort => ({
      ...port,
      list: (selection) =>
        selection.kind === lodger
          ? Promise.reject(new WasmeError("unauthorised", code, "not allowed to list certificates"))
          : port.list(selection),
    });
    expect(await look(refusing("KUBE_FORBIDDEN"))).toEqual({ unseen: "not allowed to list certificates" });
    await expect(look(refusing("KUBE_UNREACHABLE"))).rejects.toMatchObject({ code: "KUBE_UNREACHABLE" });
  });
});
