import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { nodeReportName } from "../../src/mesh/cache-objects.ts";
import { parseEntryReport } from "../../src/mesh/node-report.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient } from "../cluster/api.ts";
import { type Fault, startFaultProxy } from "../cluster/fault-proxy.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { testImage } from "../support/fault-image.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { keyOf, pinned, push, startTestCache } from "./cache-support.ts";

const cluster = await component("cluster", sharedCluster);
const NAME = "wasme-cache";
const CHANGES = 25;

const FAULTS: readonly Fault[] = [
  { status: 500, message: "broken" },
  { status: 429, retryAfter: 0 },
  { status: 410, reason: "Expired" },
  { status: 503 },
  { status: 409, reason: "Conflict" },
  { reset: "before" },
  { reset: "after" },
  { errorEvent: { code: 410, reason: "Expired" } },
];

describe.skipIf("skip" in cluster)("an API server that misbehaves", () => {
  let client: ClusterClient;
  let registry: HubServer;

  beforeAll(async () => {
    if ("skip" in cluster) return;
    client = cluster.ready;
    registry = await startHub();
  });
  afterAll(() => registry.close());

  it(`leaves the node and its report right in the end, after ${CHANGES} changes of the list`, async () => {
    const namespace = await client.namespace("cache-faults");
    const proxy = await startFaultProxy(client);
    onTestFinished(() => proxy.stop());
    const file = await proxy.kubeconfig(await client.adminKubeconfig(namespace));
    const deps = { clock: systemClock, events: () => undefined, fieldManager: "wasme-cache" as const };
    const port = await connectCluster(deps, { file, env: {}, cwd: "/" });
    onTestFinished(() => port.close());
    const images = Array.from({ length: 6 }, (_, index) => testImage(5000, `api-${index}`));
    const entries = await Promise.all(
      images.map(async (image, index) => pinned(await push(registry.host, `api/i${index}:v1`, image), image)),
    );
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    await client.request("POST", path, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: NAME }, data: {} });
    let injected = 0;
    proxy.inject(() => {
      if (Math.random() > 0.3) return undefined;
      injected += 1;
      return FAULTS[Math.floor(Math.random() * FAULTS.length)];
    });
    const cache = await startTestCache({ cache: { namespace, name: NAME }, port, speed: 20, lingerMs: 200 });
    const wanted = new Map<number, boolean>();
    const list = async (index: number, isListed: boolean): Promise<void> => {
      wanted.set(index, isListed);
      const image = images[index];
      if (image === undefined) throw new Error("no image");
      const data = { [keyOf(image)]: isListed ? (entries[index] ?? "") : null };
      await client.request("PATCH", `${path}/${NAME}`, { data }, "application/merge-patch+json");
    };
    for (let change = 0; change < CHANGES; change += 1) {
      const index = Math.floor(Math.random() * (images.length - 1));
      const isListed = Math.random() < 0.6;
      await list(index, isListed);
      if (change % 5 === 0) proxy.breakWatches("reset");
      await systemClock.sleep(60);
    }
    proxy.inject(() => undefined);
    expect(injected).toBeGreaterThan(0);
    // Never listed before: a report that names it is not of any moment before.
    await list(images.length - 1, true);

    const listed = images.filter((_, index) => wanted.get(index) === true);
    const report = `${path}/${nodeReportName({ name: NAME }, "node-1")}`;
    const keys = listed.map(keyOf).toSorted();
    await client.eventually<{ readonly data?: Readonly<Record<string, string>> }>(
      report,
      ({ data = {} }) => {
        const isReady = Object.values(data).every((text) => parseEntryReport(text)?.state === "ready");
        return isReady && JSON.stringify(Object.keys(data).toSorted()) === JSON.stringify(keys);
      },
      60_000,
    );
    for (const { moduleDescriptor } of listed) {
      const answer = await cache.module(moduleDescriptor.digest);
      expect([answer.status, digestOf(answer.body)]).toEqual([200, moduleDescriptor.digest]);
    }
    const held = (await readdir(cache.directory)).filter((name) => name.endsWith(".wasm"));
    expect(held.length).toBeGreaterThanOrEqual(listed.length);
    await cache.ready();
  }, 120_000);
});
