import { describe, expect, it } from "vitest";
import type { Delivery } from "../../../src/domain/delivery.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { usageError, WasmeError } from "../../../src/domain/errors.ts";
import { withDeadline } from "../../../src/deploy/deadline.ts";
import { applyMergePatch } from "../../../src/deploy/edit-workload.ts";
import { deploymentTools, isGateway, stuckReason, type Target } from "../../../src/deploy/live-workload.ts";
import { Outcomes } from "../../../src/deploy/outcomes.ts";
import type { OurObject } from "../../../src/deploy/our-objects.ts";
import { overlapWarnings } from "../../../src/deploy/overlap-warnings.ts";
import { planReplaced } from "../../../src/deploy/plan-replaced.ts";
import { planUnmounts, type VolumeUses } from "../../../src/deploy/plan-unmounts.ts";
import type { ClusterDeps, Owner } from "../../../src/deploy/request.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { FILES_VOLUME, imageVolume, type ModuleVolume } from "../../../src/mesh/module-volume.ts";
import { mountModules } from "../../../src/mesh/sidecar-annotations.ts";
import type { Workload } from "../../../src/domain/workload.ts";
import { retryConflicts } from "../../../src/deploy/retry-conflicts.ts";
import { covers, sameObject } from "../../../src/deploy/same-object.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { systemClock } from "../../../src/platform/clock.ts";

const clock = { now: () => 0, sleep: async () => undefined };

describe("covers", () => {
  it("does not mind defaults and other people's fields", () => {
    const live = { spec: { containers: [{ name: "a", image: "i", pullPolicy: "Always" }], more: 1 } };
    expect(covers(live, { spec: { containers: [{ name: "a", image: "i" }] } })).toBe(true);
    expect(covers(live, { spec: { containers: [{ name: "a", image: "other" }] } })).toBe(false);
    expect(covers(live, { spec: { containers: [] } })).toBe(false);
    expect(covers(live, { spec: { labels: {} } })).toBe(true);
    expect(covers(live, { spec: { labels: { a: "b" } } })).toBe(false);
  });
});

describe("sameObject", () => {
  const object = (spec: unknown, version: string): KubeObject => ({
    apiVersion: "v1",
    kind: "X",
    metadata: { name: "x", resourceVersion: version, managedFields: [{ manager: version }] },
    spec,
    status: { seen: version },
  });
  it("looks at what people wrote only", () => {
    expect(sameObject(object({ a: [1, { b: 2 }] }, "1"), object({ a: [1, { b: 2 }] }, "2"))).toBe(true);
    expect(sameObject(object({ a: [1, { b: 2 }] }, "1"), object({ a: [1, { b: 3 }] }, "1"))).toBe(false);
    expect(sameObject(object({ a: 1 }, "1"), object({ a: 1, b: 2 }, "1"))).toBe(false);
  });
});

describe("applyMergePatch", () => {
  it("follows RFC 7396", () => {
    expect(applyMergePatch({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: null, e: { f: 1 } }, d: [2] })).toEqual({
      a: { c: 2, e: { f: 1 } },
      d: [2],
    });
    expect(applyMergePatch("text", { a: { b: null } })).toEqual({ a: {} });
  });
});

describe("retryConflicts", () => {
  const conflict = new WasmeError("failed", "KUBE_CONFLICT", "someone else");
  it("tries five times, and again only for conflicts", async () => {
    let attempts = 0;
    const failing = (error: Error, times: number) => async (): Promise<string> => {
      attempts += 1;
      if (attempts <= times) throw error;
      return "done";
    };
    await expect(retryConflicts({ clock }, failing(conflict, 99))).rejects.toBe(conflict);
    expect(attempts).toBe(5);
    attempts = 0;
    expect(await retryConflicts({ clock }, failing(conflict, 4))).toBe("done");
    attempts = 0;
    const other = usageError("OTHER", "no");
    await expect(retryConflicts({ clock }, failing(other, 99))).rejects.toBe(other);
    expect(attempts).toBe(1);
  });
});

describe("Outcomes", () => {
  it("list an object once: new stays new, and a change beats none", () => {
    const ref = { kind: Kinds.configMap, name: "m", namespace: "n" };
    const words = (list: readonly ("created" | "changed" | "unchanged" | "deleted")[]): unknown => {
      const outcomes = new Outcomes();
      for (const outcome of list) outcomes.add({ ref, outcome });
      return outcomes.list.map(({ outcome }) => outcome);
    };
    expect(words(["created", "changed", "unchanged"])).toEqual(["created"]);
    expect(words(["unchanged", "changed", "unchanged"])).toEqual(["changed"]);
    expect(words(["changed", "deleted"])).toEqual(["deleted"]);
  });
});

describe("a live workload", () => {
  const web = (kind: string, spec: object, managers: readonly string[] = []): KubeObject => ({
    apiVersion: "apps/v1",
    kind,
    metadata: { name: "web", namespace: "shop", managedFields: managers.map((manager) => ({ manager })) },
    spec,
  });

  it.each([
    ["Deployment", { paused: true }, /paused/u],
    ["DaemonSet", { updateStrategy: { type: "OnDelete" } }, /OnDelete/u],
    ["StatefulSet", { replicas: 3, updateStrategy: { rollingUpdate: { partition: 2 } } }, /partition is 2/u],
  ])("says why a %s with %j will not roll", (kind, spec, why) => {
    expect(stuckReason(web(kind, spec))?.why).toMatch(why);
  });

  it("finds nothing wrong with others", () => {
    expect(stuckReason(web("Deployment", { paused: false }))).toBeUndefined();
    expect(
      stuckReason(web("StatefulSet", { replicas: 2, updateStrategy: { rollingUpdate: { partition: 0 } } })),
    ).toBeUndefined();
  });

  it("knows who deploys it", () => {
    expect(deploymentTools(web("Deployment", {}, ["kubectl", "argocd-controller", "helm", "helm"]))).toEqual([
      "argocd-controller",
      "helm",
    ]);
  });

  it("takes a proxy in the template for a gateway", () => {
    const template = (name: string): object => ({ template: { spec: { containers: [{ name }] } } });
    expect(isGateway(web("Deployment", template("istio-proxy")))).toBe(true);
    expect(isGateway(web("Deployment", template("app")))).toBe(false);
  });
});

describe("withDeadline", () => {
  it("does not end at once when the time is longer than a timer can be", async () => {
    const work = async (signal: AbortSignal): Promise<string> => {
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
      return signal.aborted ? "late" : "in time";
    };
    const late = (): Error => new Error("late");
    expect(await withDeadline({ clock: systemClock, ms: 2_592_000_000, late }, work)).toBe("in time");
  });
});

describe("planReplaced", () => {
  const labels = { "wasme.io/filter": "hello", "wasme.io/workload": "web", "wasme.io/workload-kind": "deployment" };
  const kept = { ...labels, "wasme.io/filter-deployment": "mine" };
  const ours = (more: Record<string, string>): OurObject => ({
    via: "envoyfilter",
    object: { apiVersion: "x", kind: "EnvoyFilter", metadata: { name: "web-hello", namespace: "shop", labels: more } },
  });
  const web = {
    kind: "Deployment",
    name: "web",
    namespace: "shop",
    labels: {},
    podLabels: {},
    podAnnotations: {},
  } as const;
  const live: KubeObject = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" } };
  const replaced = async (one: OurObject, owner?: Owner): Promise<readonly string[]> => {
    const deps = { trial: false } as unknown as ClusterDeps;
    const deploy = {
      id: "hello",
      owner,
      via: "wasmplugin",
      namespace: "shop",
      targets: [{ workload: web, live }],
    } as const;
    return (await planReplaced(deps, deploy, [one])).map(({ ref }) => `${ref.kind.kind} ${ref.name}`);
  };

  it("takes the object of another kind away, unless a FilterDeployment of somebody else keeps it", async () => {
    const owner = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", name: "mine", uid: "1" };
    expect(await replaced(ours(labels))).toEqual(["EnvoyFilter web-hello"]);
    expect(await replaced(ours(kept), owner)).toEqual(["EnvoyFilter web-hello"]);
    await expect(replaced(ours(kept))).rejects.toMatchObject({ code: "FILTER_MANAGED" });
    await expect(replaced(ours(kept), { ...owner, name: "other" })).rejects.toMatchObject({ code: "FILTER_MANAGED" });
  });
});

describe("planUnmounts", () => {
  const digest = digestOf("manifest");
  const picture = imageVolume({ reference: parseImageReference("h.io/team/hello:v1"), manifestDigest: digest });
  const image = picture.name;
  const mounts = (...volumes: readonly ModuleVolume[]): Record<string, string> =>
    volumes.reduce<Record<string, string>>((all, one) => ({ ...all, ...texts(mountModules(all, one).changes) }), {});
  const texts = (changes: object): Record<string, string> =>
    Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, String(value)]));
  const target = (name: string, annotations: Record<string, string>): Target => ({
    workload: { kind: "Deployment", name, namespace: "shop", labels: {}, podLabels: {}, podAnnotations: {} },
    live: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace: "shop" },
      spec: { template: { metadata: { annotations } } },
    },
  });
  const object = (name: string, delivery: string): KubeObject => ({
    apiVersion: "x",
    kind: "EnvoyFilter",
    metadata: {
      name: `${name}-hello`,
      labels: { "wasme.io/workload": name, "wasme.io/workload-kind": "deployment" },
      annotations: { "wasme.io/delivery": delivery, "wasme.io/image-digest": digest },
    },
  });
  const going = async (targets: readonly Target[], known: Partial<VolumeUses>): Promise<unknown> => {
    const deps = { trial: false } as unknown as ClusterDeps;
    const { edits } = await planUnmounts(deps, targets, { left: [], denied: [], ...known });
    return edits.map(({ ref, edit }) => [ref.name, ...(edit.direction === "unmount" ? edit.names : [])]);
  };

  it("takes what no object reads", async () => {
    const targets = [target("web", mounts(FILES_VOLUME)), target("api", mounts(FILES_VOLUME))];
    expect(await going(targets, { left: [object("web", "cache-file")] })).toEqual([["api", "wasme-cache"]]);
  });

  it("takes only volumes of the objects it is told of: another's deploy may be under way", async () => {
    const targets = [target("web", mounts(FILES_VOLUME, picture)), target("api", mounts(FILES_VOLUME, picture))];
    expect(await going(targets, { of: [object("web", "cache-file")] })).toEqual([["web", "wasme-cache"]]);
    expect(await going(targets, { of: [object("web", "cache-http")] })).toEqual([]);
    expect(await going(targets, { coming: ["shop/other"] })).toEqual([
      ["web", image],
      ["api", image],
    ]);
    expect(await going(targets, { of: [object("web", "image-volume")] })).toEqual([
      ["web", image],
      ["api", image],
    ]);
  });
});

describe("overlapWarnings", () => {
  const pods = (name: string, podLabels: Record<string, string>): Workload => {
    return { kind: "Deployment", name, namespace: "shop", labels: {}, podLabels, podAnnotations: {} };
  };
  const web = pods("web", { app: "web" });
  const canary = pods("canary", { app: "web", track: "canary" });
  const other = pods("other", { app: "other" });
  const texts = (chosen: readonly Workload[], delivery: Delivery): readonly string[] =>
    overlapWarnings(chosen, [web, canary, other], delivery).map(({ message }) => message);

  it("tells which other pods a selector of labels reaches, and what happens there", () => {
    expect(texts([web, canary], "cache-http")).toEqual([expect.stringMatching(/canary.*web.*runs there twice$/u)]);
    expect(texts([web], "registry")).toEqual([expect.stringMatching(/canary.*runs there too$/u)]);
    expect(texts([web], "cache-file")).toEqual([expect.stringMatching(/canary.*refuse their listeners$/u)]);
    expect(texts([canary, other], "image-volume")).toEqual([]);
  });

  it("names a few of many, and counts the rest", () => {
    const many = Array.from({ length: 1000 }, (_, i) => pods(`web-${i}`, { app: "web" }));
    const messages = overlapWarnings(many, many, "registry").map(({ message }) => message);
    expect(messages).toHaveLength(6);
    expect(messages[0]).toBe(
      "pods of deployment/web-0 carry all labels of deployment/web-1's pods and of 998 more: the filter runs there twice",
    );
    expect(messages[5]).toBe("so do pods of 995 more workloads");
  });

  it("compares labels of a thousand workloads a few thousand times, not a million", () => {
    let looks = 0;
    const counted = (name: string): Workload => {
      const get = (labels: Record<string, string>, key: string | symbol): unknown => {
        looks += 1;
        return Reflect.get(labels, key);
      };
      const labels = { "app.kubernetes.io/managed-by": "Helm", app: name };
      return pods(name, new Proxy<Record<string, string>>(labels, { get }));
    };
    const many = Array.from({ length: 1000 }, (_, i) => counted(`web-${i}`));
    expect(overlapWarnings(many, many, "registry")).toEqual([]);
    expect(looks).toBeLessThan(20_000);
  });
});
