import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubePort, ObjectRef } from "../../src/kube/port.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/api.ts";
import { component } from "../components/require-component.ts";
import { imageOf, workload } from "./deploy-support.ts";
import { inGroups, type MigrateBench, moduleOf, openMigrateBench } from "./migrate-support.ts";

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

/** After the write that is the last the process is dead: that one's answer never arrives, and nothing after it. */
function dyingPort(
  port: KubePort,
  isLast: (write: string) => boolean,
  before: () => Promise<void> = async () => {},
): KubePort {
  let dead = false;
  const write = async <T>(what: string, dryRun: boolean | undefined, run: () => Promise<T>): Promise<T> => {
    if (dryRun === true) return await run();
    if (dead) throw new Killed();
    dead = isLast(what);
    await before();
    const answer = await run();
    if (dead) throw new Killed();
    return answer;
  };
  const title = (verb: string, { kind, name }: Pick<ObjectRef, "kind" | "name">): string =>
    `${verb} ${kind.kind} ${name}`;
  return {
    ...port,
    apply: (kind, object, options) =>
      write(title("apply", { kind, name: object.metadata.name }), options?.dryRun, () =>
        port.apply(kind, object, options),
      ),
    patch: (ref, patch, options) => write(title("patch", ref), options?.dryRun, () => port.patch(ref, patch, options)),
    jsonPatch: (ref, patch, options) =>
      write(title("patch", ref), options?.dryRun, () => port.jsonPatch(ref, patch, options)),
    create: (kind, object, options) =>
      write(title("create", { kind, name: object.metadata.name }), options?.dryRun, () =>
        port.create(kind, object, options),
      ),
    delete: (ref, options) => write(title("delete", ref), options?.dryRun, () => port.delete(ref, options)),
  };
}

describe.skipIf("skip" in cluster)("migrate, killed after every single write", () => {
  let client: Cluster;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });
  afterAll(() => client.stop());

  const open = async (prefix: string): Promise<MigrateBench> => {
    const bench = await openMigrateBench(client, prefix, { alone: true });
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
      const between = (port: KubePort): KubePort => dyingPort(port, () => true, watch);
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

  it("ends there in the very next run, wherever it was killed", async () => {
    const way = { via: "wasmplugin", delivery: "cache-http" } as const;
    const [image, config] = [imageOf(imageNamed("f1")), CONFIG];
    const fresh = await open("fresh");
    await fresh.deploy({ id: "f1", image: image.reference, config, ...way }, image);
    const killedAfter = async (last: string): Promise<unknown> => {
      const bench = await open("once");
      await bench.old.installCache();
      const module = moduleOf(imageNamed("f1"));
      await bench.old.deploy({ id: "f1", image: imageNamed("f1"), module, config, workload: { name: "web" } });
      const between = (port: KubePort): KubePort => dyingPort(port, (write) => write === last);
      await expect(bench.migrate(way, { between })).rejects.toThrow(Killed);
      await bench.migrate(way);
      return await bench.state();
    };
    const moments = [
      "delete DaemonSet wasme-cache",
      "apply ServiceAccount wasme-cache",
      "apply DaemonSet wasme-cache",
      "delete EnvoyFilter web-f1",
      "delete DaemonSet wasme-cache-old",
      "patch ConfigMap wasme-cache",
    ];
    const ends = await inGroups(moments, killedAfter);
    const wanted = await fresh.state();
    for (const [at, end] of ends.entries())
      expect({ killed: moments[at], end }).toEqual({ killed: moments[at], end: wanted });
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
