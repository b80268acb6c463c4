import { describe, expect, it } from "vitest";
import { checkVolumes } from "../../../src/deploy/check-volumes.ts";
import { selectPods } from "../../../src/deploy/pods.ts";
import { indexSelectors } from "../../../src/deploy/selector-index.ts";
import type { ClusterDeps } from "../../../src/deploy/request.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { systemClock } from "../../../src/platform/clock.ts";

const FILES = { name: "wasme-cache", hostPath: { path: "/var/lib/wasme" } };
const IMAGE = "wasme-image-0123456789abcdef";

function pod(
  name: string,
  more: { phase?: string; labels?: Record<string, string>; volumes?: readonly object[]; proxy?: string } = {},
): KubeObject {
  const { phase = "Running", labels = { app: "web" }, volumes = [], proxy = "containers" } = more;
  const spec = { containers: [{ name: "app" }], volumes, initContainers: [] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels },
    spec: proxy === "" ? spec : { ...spec, [proxy]: [{ name: "istio-proxy" }] },
    status: { phase },
  };
}

describe("selectPods", () => {
  it("takes living pods with all labels of a selection, in its namespace", () => {
    const names = (pods: readonly KubeObject[], labels: Record<string, string>, namespace = "shop"): unknown =>
      selectPods(pods, [{ namespace, labels }]).map(({ metadata }) => metadata.name);
    const canary = pod("canary", { labels: { app: "web", track: "canary" } });
    expect(names([pod("a"), canary], { app: "web" })).toEqual(["a", "canary"]);
    expect(names([pod("a"), canary], { track: "canary", app: "web" })).toEqual(["canary"]);
    expect(names([pod("a")], { app: "web" }, "other")).toEqual([]);
    expect(names([pod("a"), pod("b", { phase: "Failed" }), pod("c", { phase: "Succeeded" })], {})).toEqual(["a"]);
  });
});

describe("indexSelectors", () => {
  it("finds what trying each finds", () => {
    const keys = ["a", "b", "c"];
    const sets = Array.from({ length: 64 }, (_, bits) =>
      Object.fromEntries(keys.flatMap((key, i) => ((bits >> i) & 1 ? [[key, String((bits >> (i + 3)) & 1)]] : []))),
    );
    const matching = indexSelectors(sets, (set) => set);
    for (const labels of sets) {
      const expected = sets.filter((set) => Object.entries(set).every(([key, value]) => labels[key] === value));
      expect(new Set(matching(labels))).toEqual(new Set(expected));
      expect(matching(labels)).toHaveLength(expected.length);
    }
  });
});

describe("checkVolumes", () => {
  const check = async (volume: string, pods: readonly KubeObject[]): Promise<void> => {
    const port = { list: async () => ({ items: pods, resourceVersion: "1" }) };
    const deps = { port, clock: systemClock, events: () => undefined } as unknown as ClusterDeps;
    await checkVolumes(deps, {
      type: "check-volumes",
      volume,
      pods: [{ namespace: "shop", labels: { app: "web" } }],
    });
  };
  const image = { name: IMAGE, image: { reference: "r" } };

  it("passes pods that have the volume, have no proxy, or ended", async () => {
    const ended = [pod("evicted", { phase: "Failed" }), pod("done", { phase: "Succeeded" })];
    await expect(check(IMAGE, [pod("a", { volumes: [image] }), pod("b", { proxy: "" }), ...ended])).resolves.toBe(
      undefined,
    );
    await expect(check("wasme-cache", [pod("a", { volumes: [FILES] })])).resolves.toBe(undefined);
  });

  it("tells a pod whose injector dropped the image, and one whose template lost the mount", async () => {
    const dropped = pod("a", { volumes: [{ name: IMAGE, emptyDir: {} }], proxy: "initContainers" });
    await expect(check(IMAGE, [dropped])).rejects.toMatchObject({ code: "IMAGE_VOLUME_LOST", kind: "incompatible" });
    await expect(check("wasme-cache", [pod("a")])).rejects.toMatchObject({
      code: "VOLUME_LOST",
      message: expect.stringContaining("pod shop/a") as string,
    });
  });
});
