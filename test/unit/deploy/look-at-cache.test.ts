import { expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { ignoreEvents } from "../../../src/domain/events.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import { lookAtCache } from "../../../src/deploy/look-at-cache.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const image: ResolvedImage = {
  reference: parseImageReference("registry.example/team/hello:v1"),
  source: "registry",
  format: "compat",
  manifestDigest: digestOf("manifest"),
  moduleDigest: digestOf("module"),
  moduleSize: 1,
  runtimeConfig: { config: { rootIds: ["r"] } },
};

/** What is said of a cache of which nothing may be seen, when the answers come in this order. */
async function unseen(order: readonly string[]): Promise<string | undefined> {
  const refusals = new Map<string, (error: Error) => void>();
  const port: KubePort = {
    ...new MemoryCluster().port(),
    get: ({ kind }) => new Promise((_resolve, reject) => refusals.set(kind.plural, reject)),
  };
  const deps = { port, clock: systemClock, events: ignoreEvents };
  const looking = lookAtCache(deps, { name: "wasme-cache", namespace: "wasme" }, image);
  for (const plural of order) {
    refusals.get(plural)?.(new WasmeError("unauthorised", "KUBE_FORBIDDEN", "not allowed"));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return (await looking).sight.unseen;
}

it("names the same part that it may not see, whichever was refused first", async () => {
  const order = ["daemonsets", "configmaps", "services"];
  const told = 'not allowed to get daemonsets.apps "wasme-cache" in namespace "wasme"';
  expect(await unseen(order)).toBe(told);
  expect(await unseen(order.toReversed())).toBe(told);
});
