import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { type Fault, type FaultProxy, type ProxiedRequest, startFaultProxy } from "../cluster/fault-proxy.ts";
import { type Child, startChild } from "../components/child.ts";
import { component } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import type { KubeObject } from "../../src/kube/objects.ts";
import { workload } from "./deploy-support.ts";
import {
  filterDeployment,
  type ImageRegistry,
  installKinds,
  ISTIO,
  PLUGINS,
  type PushedImage,
  type Reporter,
  startImages,
  startReporter,
  tracesIn,
  WASME,
} from "./operator-support.ts";

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const KILLS = Number(process.env["WASME_OPERATOR_KILLS"] ?? "10");
const TEAMS = ["x", "y"] as const;
const WORKLOADS = ["a", "b", "c"] as const;
const NAMES = ["f", "g", "h"] as const;

const cluster = await component("cluster", () => startCluster());
const registry = await component("registry", () => startImages());

/** What is asked for at one time. */
interface Wish {
  readonly image: PushedImage;
  readonly team: string;
  readonly id: string;
  readonly via: "wasmplugin" | "envoyfilter";
}

describe.skipIf("skip" in cluster || "skip" in registry)("an operator that is killed and lied to", () => {
  let client: Cluster;
  let images: ImageRegistry;
  let reporter: Reporter;
  let proxy: FaultProxy;
  let namespace: string;
  let pushed: readonly PushedImage[];
  let home: string;

  beforeAll(async () => {
    if (!("ready" in cluster) || !("ready" in registry)) return;
    client = cluster.ready;
    images = registry.ready;
    pushed = await Promise.all(["one", "two", "three"].map((text) => images.push(`team/${text}:v1`, text)));
    await installKinds(client);
    reporter = startReporter(client);
    proxy = await startFaultProxy(client);
    namespace = await client.namespace("chaos");
    home = await mkdtemp(join(tmpdir(), "wasme-operator-"));
  }, 60_000);
  afterAll(async () => {
    await reporter?.stop();
    await proxy?.stop();
    await rm(home, { recursive: true, force: true });
    if ("ready" in registry) await registry.ready.stop();
    if ("ready" in cluster) await cluster.ready.stop();
  });

  const start = async (): Promise<Child> => {
    const kubeconfig = await proxy.kubeconfig(client.kubeconfigPath);
    const args = ["operator", "run", "--no-leader-elect", "--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig];
    const child = await startChild(process.execPath, [BIN, ...args, "--resolve-interval", "1s"], {
      cwd: home,
      env: { PATH: process.env["PATH"], HOME: home },
    });
    await child.seen(/"msg":"listening"/u, 60_000);
    return child;
  };
  const say = async (request: () => Promise<unknown>): Promise<void> => {
    // The server may be restarting.
    await waitFor("the server to listen", async () => {
      try {
        await request();
        return true;
      } catch {
        return undefined;
      }
    });
  };

  it(`ends right after ${KILLS} kills among refusals, cuts and a restart of the server`, async () => {
    const random = generator(Number(process.env["WASME_OPERATOR_SEED"] ?? Date.now() % 100_000));
    const teams = new Map<string, string>();
    const wishes = new Map<string, Wish>();
    const setTeam = async (name: string, team: string): Promise<void> => {
      teams.set(name, team);
      await say(() => client.apply(workload(namespace, { name, replicas: 1, labels: { team } })));
    };
    for (const name of WORKLOADS) await setTeam(name, random.pick(TEAMS));
    const apply = async (name: string): Promise<void> => {
      const wanted = wishes.get(name);
      if (wanted === undefined) return;
      const { team, id, via } = wanted;
      const shape = { name, filter: { id }, istio: { labels: { team }, via, delivery: "cache-http" } };
      await say(() => client.apply(filterDeployment(namespace, wanted.image.reference, shape)));
    };
    const wish = async (name: string): Promise<void> => {
      const wanted: Wish = {
        image: random.pick(pushed),
        team: random.pick(TEAMS),
        id: random.pick([name, `${name}2`]),
        via: random.pick(["wasmplugin", "envoyfilter"] as const),
      };
      wishes.set(name, wanted);
      await apply(name);
    };
    const pathOf = (name: string): string => `/apis/${WASME}/namespaces/${namespace}/filterdeployments/${name}`;
    const forget = async (name: string): Promise<void> => {
      wishes.delete(name);
      await say(() => client.request("DELETE", pathOf(name)));
    };
    // What is applied while its deletion is under way goes with it, so it is applied again once that is over.
    const stands = async (name: string): Promise<true | undefined> => {
      const { status, body } = await client.request<KubeObject>("GET", pathOf(name));
      if (status === 200) return body.metadata.deletionTimestamp === undefined ? true : undefined;
      await apply(name);
      return undefined;
    };
    const disturb = async (): Promise<void> => {
      const way = random.below(10);
      if (way < 5) await wish(random.pick(NAMES));
      else if (way < 7) await setTeam(random.pick(WORKLOADS), random.pick(TEAMS));
      else if (way === 7) await forget(random.pick(NAMES));
      else if (way === 8)
        await say(() => client.request("DELETE", `/apis/${PLUGINS}/namespaces/${namespace}/wasmplugins`));
      else proxy.breakWatches(random.pick(["end", "reset"] as const));
    };
    let faults = 0;
    proxy.inject((request) => {
      const fault = random.below(12) === 0 ? faultFor(request, random) : undefined;
      if (fault !== undefined) faults += 1;
      return fault;
    });
    for (let kill = 0; kill < KILLS; kill += 1) {
      const child = await start();
      if (kill === Math.floor(KILLS / 2)) {
        await client.killServer();
        await client.restartServer();
      }
      for (let times = random.below(4) + 1; times > 0; times -= 1) {
        await disturb();
        await sleep(random.below(200));
      }
      await child.stop("SIGKILL");
    }
    proxy.inject(() => undefined);
    const last = await start();
    try {
      for (const name of wishes.keys()) await waitFor(`FilterDeployment ${name} to stand`, () => stands(name));
      let found: readonly string[] = [];
      await waitFor(
        "the right end",
        async () => {
          found = await stateOf(client, namespace);
          return JSON.stringify(found) === JSON.stringify(expected(wishes, teams)) ? true : undefined;
        },
        {
          deadlineMs: 60_000,
          everyMs: 100,
          detail: () =>
            `seed ${random.seed}; wanted ${JSON.stringify(expected(wishes, teams))}; found ${JSON.stringify(found)}\n${last.log().slice(-6000)}`,
        },
      );
      for (const name of NAMES) await forget(name);
      await waitFor("nothing to be left", async () =>
        (await tracesIn(client, namespace)).length === 0 ? true : undefined,
      );
      // Faults that hit nothing prove nothing.
      expect(faults).toBeGreaterThan(0);
    } finally {
      await last.stop();
    }
  }, 180_000);
});

interface Random {
  readonly seed: number;
  below(limit: number): number;
  pick<T>(values: readonly T[]): T;
}

/** Mulberry32: the same seed, the same story. */
function generator(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    seed,
    below,
    pick: (values) => {
      const found = values[below(values.length)];
      if (found === undefined) throw new Error("nothing to pick from");
      return found;
    },
  };
}

function faultFor(request: ProxiedRequest, random: Random): Fault | undefined {
  if (request.isWatch)
    return random.pick<Fault>([{ errorEvent: { code: 410, reason: "Expired" } }, { reset: "before" }]);
  const anywhere: readonly Fault[] = [
    { status: 500 },
    { status: 429, retryAfter: 1 },
    { reset: "before" },
    { reset: "after" },
  ];
  if (request.method === "GET") return random.pick([...anywhere, { status: 410, reason: "Expired" }]);
  return random.pick([...anywhere, { status: 409, reason: "Conflict" }]);
}

/** `wasmplugins/a-f sha256…` and the entries of the list. */
function expected(wishes: ReadonlyMap<string, Wish>, teams: ReadonlyMap<string, string>): readonly string[] {
  const objects = [...wishes.values()].flatMap(({ image, team, id, via }) =>
    [...teams].filter(([, own]) => own === team).map(([name]) => `${via} ${name}-${id} ${image.moduleDigest}`),
  );
  return objects.toSorted();
}

async function stateOf(client: Cluster, namespace: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [group, plural, via] of [
    [PLUGINS, "wasmplugins", "wasmplugin"],
    [ISTIO, "envoyfilters", "envoyfilter"],
  ] as const) {
    const { body } = await client.request<{
      items: { metadata: { name: string; annotations: Record<string, string> } }[];
    }>("GET", `/apis/${group}/namespaces/${namespace}/${plural}`);
    found.push(
      ...body.items.map(({ metadata }) => `${via} ${metadata.name} ${metadata.annotations["wasme.io/module-digest"]}`),
    );
  }
  return found.toSorted();
}
