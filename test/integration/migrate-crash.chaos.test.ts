import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubePort } from "../../src/kube/port.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/api.ts";
import { component } from "../components/require-component.ts";
import { imageOf, workload } from "./deploy-support.ts";
import { type MigrateBench, moduleOf, openMigrateBench } from "./migrate-support.ts";

const cluster = await component("cluster", () => startCluster());
const OWN = {
  "sidecar.istio.io/userVolume": '[{"emptyDir":{},"name":"mine"}]',
  "sidecar.istio.io/userVolumeMount": '[{"mountPath":"/mine","name":"mine"}]',
};
const IDS = ["f1", "f2"] as const;
const CONFIG = '{"greeting":"hello"}';
const imageNamed = (id: string): string => `registry.example.com/team/${id}:v1`;

/** More writes than a migration has. */
const MOST_RUNS = 80;

class Killed extends Error {}

/** Lets one write through, then the process is dead: its answer never arrives, and nothing after it. */
function oneWrite(port: KubePort, before: () => Promise<void>): KubePort {
  let dead = false;
  const write = async <T>(dryRun: boolean | undefined, run: () => Promise<T>): Promise<T> => {
    if (dryRun === true) return await run();
    if (dead) throw new Killed();
    dead = true;
    await before();
    await run();
    throw new Killed();
  };
  return {
    ...port,
    apply: (kind, object, options) => write(options?.dryRun, () => port.apply(kind, object, options)),
    patch: (ref, patch, options) => write(options?.dryRun, () => port.patch(ref, patch, options)),
    jsonPatch: (ref, patch, options) => write(options?.dryRun, () => port.jsonPatch(ref, patch, options)),
    create: (kind, object, options) => write(options?.dryRun, () => port.create(kind, object, options)),
    delete: (ref, options) => write(options?.dryRun, () => port.delete(ref, options)),
  };
}

describe.skipIf("skip" in cluster)("migrate, killed after every single write", () => {
  let client: Cluster;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });
  afterAll(() => client.stop());

  const open = async (prefix: string): Promise<MigrateBench> => {
    const bench = await openMigrateBench(client, prefix);
    await client.apply(workload(bench.namespace, { annotations: OWN, replicas: 1 }));
    return bench;
  };

  it.for([
    { via: "envoyfilter", delivery: "cache-file" },
    { via: "wasmplugin", delivery: "cache-http" },
  ] as const)("ends where a run in one go ends, without a window: $via by $delivery", async (way) => {
    const bench = await open("killed");
    await bench.old.installCache();
    for (const id of IDS) {
      const image = imageNamed(id);
      await bench.old.deploy({ id, image, module: moduleOf(image), config: CONFIG, workload: { name: "web" } });
    }
    const broken: string[] = [];
    const watch = async (): Promise<void> => void broken.push(...(await windows(client, bench)));
    let runs = 0;
    for (let mode = ""; mode !== "nothing" && runs < MOST_RUNS; runs += 1) {
      const between = (port: KubePort): KubePort => oneWrite(port, watch);
      mode = await bench.migrate(way, { between }).then(
        (result) => result.mode,
        (error: unknown) => {
          if (!(error instanceof Killed)) throw error;
          return "killed";
        },
      );
    }
    expect(runs).toBeGreaterThan(8);
    expect(runs).toBeLessThan(MOST_RUNS);
    expect(broken).toEqual([]);
    const fresh = await open("fresh");
    for (const [at, id] of IDS.entries()) {
      const image = imageOf(imageNamed(id));
      await fresh.deploy({ id, image: image.reference, priority: 20 - 10 * at, config: CONFIG, ...way }, image);
    }
    expect(await bench.state()).toEqual(await fresh.state());
  });
});

interface Items {
  readonly items: readonly KubeObject[];
}

/** What a proxy, or a node that joins, could not get in this moment. */
async function windows(client: Cluster, bench: MigrateBench): Promise<readonly string[]> {
  const { namespace, cacheNamespace } = bench;
  const list = async (path: string): Promise<readonly KubeObject[]> =>
    (await client.request<Items>("GET", path)).body.items;
  const filters = await list(`/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/envoyfilters`);
  const plugins = await list(`/apis/extensions.istio.io/v1alpha1/namespaces/${namespace}/wasmplugins`);
  const pods = await list(`/api/v1/namespaces/${namespace}/pods`);
  const caches = await list(`/apis/apps/v1/namespaces/${cacheNamespace}/daemonsets`);
  const { body: map } = await client.request<{ data?: { images?: string } }>(
    "GET",
    `/api/v1/namespaces/${cacheNamespace}/configmaps/wasme-cache`,
  );
  const broken: string[] = [];
  for (const id of IDS) {
    const there = [...filters, ...plugins].filter(({ metadata }) => metadata.name === `web-${id}`);
    if (there.length === 0) broken.push(`no object carries ${id}`);
  }
  const oldFiles = filters.filter((object) => JSON.stringify(object).includes("/var/local/lib/wasme-cache/"));
  if (oldFiles.length > 0) {
    if (!caches.some(isOldProgram)) broken.push("an old filter is there, and no old cache that new nodes would get");
    if (map.data?.images?.includes("f1") !== true) broken.push("an old filter is there, and the old list is gone");
    if (!pods.every((pod) => mounts(pod, "/var/local/lib/wasme-cache")))
      broken.push("a pod lost the old volume too early");
  }
  const newFiles = filters.filter((object) => JSON.stringify(object).includes("/var/lib/wasme/"));
  if (newFiles.length > 0 && !pods.some((pod) => mounts(pod, "/var/lib/wasme")))
    broken.push("no pod has today's volume");
  return broken;
}

function isOldProgram(daemonSet: KubeObject): boolean {
  return JSON.stringify(daemonSet["spec"]).includes("/var/local/lib/wasme-cache");
}

/** The injector would mount what the annotation of the pod says. */
function mounts({ metadata }: KubeObject, directory: string): boolean {
  const text = metadata.annotations?.["sidecar.istio.io/userVolumeMount"] ?? "[]";
  return (JSON.parse(text) as { mountPath: string }[]).some(({ mountPath }) => mountPath === directory);
}
