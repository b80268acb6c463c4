import { expect, it } from "vitest";
import { planCacheRelease } from "../../../src/deploy/plan-cache-release.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

it("leaves the list of a cache alone that may not be seen, also where nobody asks for rights beforehand", async () => {
  const port = {
    ...new MemoryCluster().port(),
    get: () => Promise.reject(new WasmeError("unauthorised", "KUBE_FORBIDDEN", "not allowed to get configmaps")),
  };
  const deps = { port, clock: systemClock, events: () => undefined, trial: false };
  const uses = [{ cache: "elsewhere/wasme-cache", key: "sha256-00" }];
  const remaining = { over: new Set<string>(), coming: [], from: "shop/hello", owner: undefined };
  expect(await planCacheRelease(deps, uses, remaining)).toEqual({
    marks: [],
    steps: [],
    notes: ["the module stays on the list of the node cache elsewhere/wasme-cache: not allowed to see it"],
  });
});
