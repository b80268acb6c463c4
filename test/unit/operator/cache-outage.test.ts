import { expect, it } from "vitest";
import { type KubeObject } from "../../../src/kube/objects.ts";
import type { Brought } from "../../../src/operator/bring-about.ts";
import { type Outage, outageOf } from "../../../src/operator/cache-outage.ts";
import { Waits } from "../../../src/operator/waits.ts";
import type { Work } from "../../../src/operator/work.ts";
import { manualClock } from "../../support/manual-clock.ts";

const cache = { namespace: "wasme", name: "wasme-cache" };
const awaiting = { step: { type: "wait-module", cache }, message: "0/2 nodes" };
const DEPLOYED = { results: [{ name: "web", state: "Succeeded" }], awaiting, failures: [] } as unknown as Brought;

/** A cache with so many pods that serve, of two, and how many of them are of its newest version. */
function startOutage({ serving = 0, updated = 2, told = "" }): {
  readonly look: (brought?: Brought) => Promise<Outage | undefined>;
  readonly clock: ReturnType<typeof manualClock>;
  readonly counts: { serving: number; updated: number };
  /** Objects asked for by name. */
  readonly asked: string[];
} {
  const clock = manualClock();
  const counts = { serving, updated };
  const asked: string[] = [];
  const labels = { "app.kubernetes.io/name": "wasme-cache", "app.kubernetes.io/instance": "wasme-cache" };
  const pod = (index: number): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `pod-${index}`, namespace: "wasme", labels },
    status: { conditions: [{ type: "Ready", status: index < counts.serving ? "True" : "False" }] },
  });
  const daemonSet = (): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "wasme-cache", namespace: "wasme" },
    status: { desiredNumberScheduled: 2, updatedNumberScheduled: counts.updated, numberAvailable: 2 },
  });
  const conditions = [{ type: "CacheReady", status: told === "" ? "True" : "False", reason: told }];
  const live = { metadata: { name: "hello", namespace: "shop" }, status: { conditions } };
  const view = { cache, pods: { list: () => [pod(0), pod(1)] } };
  const port = {
    get: ({ name }: { readonly name: string }) => {
      asked.push(name);
      return Promise.resolve(daemonSet());
    },
  };
  const work = { live, deps: { view, port, waits: new Waits(clock) } } as unknown as Work;
  return { look: (brought = DEPLOYED) => outageOf(work, brought), clock, counts, asked };
}

it("lasts when no pod has served for a minute, and costs no request until then", async () => {
  const { look, clock, asked } = startOutage({});
  expect(await look()).toBe("short");
  await clock.advance(59_000);
  expect(await look()).toBe("short");
  await clock.advance(2000);
  expect(await look()).toBe("lasting");
  expect(asked).toEqual([]);
});

it("does not last while the cache is rolled out and other pods serve, however long that takes", async () => {
  const { look, clock, counts } = startOutage({ serving: 1, updated: 1 });
  for (let minute = 0; minute < 10; minute += 1) {
    expect(await look()).toBe("short");
    await clock.advance(60_000);
  }
  counts.updated = 2;
  expect(await look()).toBe("lasting");
});

it("goes on being told by an operator that starts meanwhile, and of nothing else that it waited for", async () => {
  expect(await startOutage({ told: "ModuleUnavailable" }).look()).toBe("lasting");
  expect(await startOutage({ told: "WaitingForNodes" }).look()).toBe("short");
});

it("is none while something is to be deployed still", async () => {
  const { look, clock } = startOutage({});
  await look();
  await clock.advance(90_000);
  const pending = { ...DEPLOYED, results: [{ name: "web", state: "Pending" }] } as unknown as Brought;
  expect(await look(pending)).toBeUndefined();
  expect(await look({ results: DEPLOYED.results, wanted: [], failures: [] })).toBeUndefined();
  expect(await look()).toBe("lasting");
});
