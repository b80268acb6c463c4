import { expect, it } from "vitest";
import { cacheSteps } from "../../../src/deploy/status-cache.ts";
import type { NodeState, StatusStep } from "../../../src/deploy/status-step.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { type EntryReport, formatEntryReport } from "../../../src/mesh/node-report.ts";

const HEX = "a".repeat(64);
const DIGEST = `sha256:${HEX}`;
const FAILED = { state: "failed", error: "401 unauthorized" } as const;

interface Scene {
  readonly delivery?: "cache-http" | "cache-file";
  readonly ownerReferences?: readonly object[];
  /** What the cache pod of node `a`, the only one, says. */
  readonly says?: Pick<EntryReport, "state" | "error">;
  /** Nodes whose proxies need the module. */
  readonly askers?: readonly string[];
  /** Pods that the DaemonSet wants. */
  readonly desired?: number;
}

/** The step `nodes` and the nodes, about an object of this delivery. */
function look(scene: Scene): { readonly step: StatusStep | undefined; readonly nodes: readonly NodeState[] } {
  const { delivery = "cache-http", ownerReferences = [], says = { state: "ready" }, askers = [], desired = 1 } = scene;
  const annotations = {
    "wasme.io/delivery": delivery,
    "wasme.io/cache": "wasme/wasme-cache",
    "wasme.io/image": "ghcr.io/acme/hello:v1",
    "wasme.io/image-digest": DIGEST,
    "wasme.io/module-digest": DIGEST,
  };
  const object = {
    kind: "WasmPlugin",
    metadata: { name: "web-hello", namespace: "shop", ownerReferences, annotations },
  };
  const conditions = [{ type: "Ready", status: "True" }];
  const volumes = [{ name: "wasme-cache", hostPath: { path: "/var/lib/wasme" } }];
  const pod = {
    kind: "Pod",
    metadata: { name: "p", uid: "u" },
    spec: { nodeName: "a", volumes },
    status: { conditions },
  };
  const data = { [`sha256-${HEX}`]: formatEntryReport({ reference: "ghcr.io/acme/hello:v1", time: "", ...says }) };
  const report = { kind: "ConfigMap", metadata: { name: "r", annotations: { "wasme.io/node-name": "a" } }, data };
  const seen = (value: object): { readonly seen: never } => ({ seen: value as never });
  const status = { observedGeneration: 1, desiredNumberScheduled: desired };
  const cache = {
    list: seen({ data }),
    daemonSet: seen({ metadata: { generation: 1 }, status }),
    pods: seen([pod]),
    reports: seen([report]),
    service: seen({}),
  };
  const question = { object: object as unknown as KubeObject, title: "wasme/wasme-cache", cache };
  const { steps, nodes } = cacheSteps({ ...question, askers: new Set(askers), now: 0, again: "again" });
  return { step: steps.find(({ name }) => name === "nodes"), nodes };
}

it("names the field of the FilterDeployment, or the option of a deploy, that gives the nodes an account", () => {
  expect(look({ says: FAILED }).step?.fix).toBe(
    "deploy again with --pull-secret NAME, a Secret with credentials for that registry",
  );
  const ownerReferences = [{ kind: "FilterDeployment", name: "mine" }];
  expect(look({ says: FAILED, ownerReferences }).step?.fix).toBe(
    "name a Secret with credentials for that registry in spec.filter.imagePullOptions.pullSecret: kubectl edit filterdeployment mine -n shop",
  );
});

it("tells over HTTP that other nodes serve the proxies of those without a cache pod", () => {
  const one = { name: "nodes", state: "ok", message: "1/1 nodes" };
  expect(look({ askers: ["a"] }).step).toEqual(one);
  const message = "1/1 nodes; no cache pod on b: other nodes serve the proxies there";
  expect(look({ askers: ["b", "a"] })).toEqual({
    step: { ...one, message },
    nodes: [{ node: "a", state: "ready", message: "has the module" }],
  });
  expect(look({ askers: ["f", "b", "c", "d", "e"] }).step?.message).toContain("no cache pod on b, c, d, 2 more: other");
  // The DaemonSet is about to make one there.
  expect(look({ askers: ["a", "b"], desired: 2 }).step).toMatchObject({ state: "waiting", message: "1/2 nodes" });
});

it("waits for no file on a node that the cache's DaemonSet passes over, and says so", () => {
  const files = { delivery: "cache-file" } as const;
  expect(look({ ...files, askers: ["a"] }).step).toMatchObject({ state: "ok", message: "1/1 nodes" });
  const { step, nodes } = look({ ...files, askers: ["a", "b"] });
  expect(step).toEqual({
    name: "nodes",
    state: "failed",
    message: "1/2 nodes; the DaemonSet of the node cache passes over b, where proxies read files",
    fix: "let it run there (nodeSelector, affinity, tolerations): kubectl get daemonset wasme-cache -n wasme -o yaml; or deploy again with --delivery cache-http: it needs no volume",
  });
  expect(nodes.map(({ node, state, message }) => `${node} ${state} ${message}`)).toEqual([
    "a ready has the module",
    "b failed the DaemonSet of the node cache passes over it",
  ]);
  expect(look({ ...files, askers: ["a", "b"], desired: 2 }).step).toMatchObject({ state: "waiting" });
});
