import { expect, it } from "vitest";
import { cacheSteps } from "../../../src/deploy/status-cache.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { formatEntryReport } from "../../../src/mesh/node-report.ts";

const HEX = "a".repeat(64);
const DIGEST = `sha256:${HEX}`;

/** What to type for a node that is refused by the registry, about an object with these owners. */
function fixFor(ownerReferences: readonly object[]): string | undefined {
  const annotations = {
    "wasme.io/delivery": "cache-http",
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
  const pod = { kind: "Pod", metadata: { name: "p", uid: "u" }, spec: { nodeName: "a" }, status: { conditions } };
  const entry = { state: "failed", reference: "ghcr.io/acme/hello:v1", time: "", error: "401 unauthorized" } as const;
  const data = { [`sha256-${HEX}`]: formatEntryReport(entry) };
  const report = { kind: "ConfigMap", metadata: { name: "r", annotations: { "wasme.io/node-name": "a" } }, data };
  const seen = (value: object): { readonly seen: never } => ({ seen: value as never });
  const cache = {
    list: seen({ data }),
    daemonSet: seen({ metadata: { generation: 1 }, status: { observedGeneration: 1, desiredNumberScheduled: 1 } }),
    pods: seen([pod]),
    reports: seen([report]),
    service: seen({}),
  };
  const question = {
    object: object as unknown as KubeObject,
    title: "wasme/wasme-cache",
    cache,
    readers: new Set<string>(),
  };
  const { steps } = cacheSteps({ ...question, now: 0, again: "again" });
  return steps.find(({ name }) => name === "nodes")?.fix;
}

it("names the field of the FilterDeployment, or the option of a deploy, that gives the nodes an account", () => {
  expect(fixFor([])).toBe("deploy again with --pull-secret NAME, a Secret with credentials for that registry");
  expect(fixFor([{ kind: "FilterDeployment", name: "mine" }])).toBe(
    "name a Secret with credentials for that registry in spec.filter.imagePullOptions.pullSecret: kubectl edit filterdeployment mine -n shop",
  );
});
