import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../src/domain/resolved-image.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { addNode, drainNode, removeNode } from "../cluster/nodes.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { startRegistry } from "../components/registry.ts";
import type { Report } from "../judge/ledger.ts";
import { knownLayouts } from "../support/layouts.ts";
import { writeModule } from "../support/modules.ts";
import type { Random } from "../support/random.ts";
import { putRemote } from "../support/remote-layouts.ts";
import { type Gate, openGate, type Window } from "./window-support.ts";

/** How much happens in a run. */
export interface Sizes {
  readonly kills: number;
  readonly lateNodes: number;
  readonly updates: number;
}

/** `WASME_TEST_KILLS=full` asks for the long run; the short one fits into every run of the tests. */
export function pickSizes(short: Sizes): Sizes {
  return process.env["WASME_TEST_KILLS"] === "full" ? { kills: 200, lateNodes: 20, updates: 20 } : short;
}

/** A registry behind a gate, with versions of a filter in it. */
export interface Versions {
  readonly gate: Gate;
  /** The image `number`, pushed when it is first asked for; each has a module of its own, of 300 KB. */
  image(number: number): Promise<ResolvedImage>;
  /** How often the registry was asked for the bytes of an image's module and gave them. */
  pulls(image: ResolvedImage): number;
  stop(): Promise<void>;
}

/** Starts the registry; `layout` as `knownLayouts` calls it. */
export async function openVersions(layout: "solo, two layers" | "compat"): Promise<Versions> {
  const registry = await startRegistry();
  const gate = await openGate(registry.host);
  const client = createRegistryClient({ env: {} });
  const folder = await mkdtemp(join(tmpdir(), "wasme-versions-"));
  const images = new Map<number, Promise<ResolvedImage>>();
  const push = async (number: number): Promise<ResolvedImage> => {
    const runtimeConfig = { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["add_header"] } };
    const module = await readFile(writeModule(folder, `${number}.wasm`, 300_000));
    const image = knownLayouts(module, JSON.stringify(runtimeConfig))[layout];
    if (image === undefined) throw new Error(`no layout is called ${layout}`);
    const pushed = await putRemote(client, `${registry.host}/team/hello:v${number}`, image);
    return {
      reference: parseImageReference(`${gate.host}/team/hello:v${number}`),
      source: "registry",
      format: layout === "compat" ? "compat" : "oci",
      manifestDigest: pushed.digest,
      moduleDigest: digestOf(module),
      moduleSize: module.length,
      runtimeConfig,
    };
  };
  return {
    gate,
    image: (number) => {
      const image = images.get(number) ?? push(number);
      images.set(number, image);
      return image;
    },
    pulls: ({ moduleDigest }) =>
      [...registry.log().matchAll(/"GET \S+\/blobs\/(?<digest>\S+) HTTP\/1\.1" 200/gu)].filter(
        ({ groups }) => groups?.["digest"] === moduleDigest,
      ).length,
    stop: async () => {
      await gate.shut();
      await registry.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What goes on beside the deploys. */
export interface Chaos {
  /** How much of it has happened. */
  done(): { readonly kills: number; readonly lateNodes: number };
  /** Waits until all of it has happened; throws what went wrong on the way. */
  over(): Promise<void>;
  /** Ends it early. */
  abort(): Promise<void>;
}

/**
 * Kills processes of the cache at random moments, or deletes their pods, and brings nodes that are drained and taken away again. Of the caches
 * that are ready one is always spared: with none left for five seconds every proxy is refused, whoever serves.
 */
export function startChaos(
  window: Pick<Window, "cluster">,
  programs: PodPrograms,
  plan: Pick<Sizes, "kills" | "lateNodes"> & { readonly random: Random },
): Chaos {
  const { random } = plan;
  const aborted = new AbortController();
  let kills = 0;
  let lateNodes = 0;
  const killing = async (): Promise<void> => {
    while (kills < plan.kills && !aborted.signal.aborted) {
      await sleep(random.int(20, 300));
      const ready = programs.pods().filter((pod) => pod.ready());
      const spared = ready.length === 0 ? undefined : random.pick(ready);
      const victims = programs.pods().filter((pod) => pod !== spared && pod.pid() !== undefined);
      if (spared === undefined || victims.length === 0) continue;
      const victim = random.pick(victims);
      // A pod that goes takes its modules along, if they lie in its own folder; a process that dies does not.
      if (random.chance(0.15)) await window.cluster.request("DELETE", `/api/v1/namespaces/wasme/pods/${victim.name}`);
      else await victim.kill();
      kills += 1;
    }
  };
  const growing = async (): Promise<void> => {
    const { cluster } = window;
    const guests: string[] = [];
    while (lateNodes < plan.lateNodes && !aborted.signal.aborted) {
      await sleep(random.int(100, 1500));
      const name = `late-${lateNodes + 1}`;
      await addNode(cluster, name);
      lateNodes += 1;
      guests.push(name);
      const leaving = guests.length > 2 ? guests.shift() : undefined;
      if (leaving === undefined) continue;
      await drainNode(cluster, leaving);
      await removeNode(cluster, leaving);
    }
  };
  const work = Promise.all([killing(), growing()]);
  work.catch(() => undefined);
  return {
    done: () => ({ kills, lateNodes }),
    over: async () => void (await work),
    abort: async () => {
      aborted.abort();
      await work.catch(() => undefined);
    },
  };
}

/** While the registries are away, a node's cache begins anew, with nothing unless the node keeps it, and proxies restart. */
export async function outage(
  { cluster, judge }: Window,
  programs: PodPrograms,
  registries: readonly Pick<Versions, "gate">[],
): Promise<void> {
  for (const { gate } of registries) await gate.shut();
  const [victim] = programs.pods().filter((pod) => pod.ready());
  if (victim !== undefined) await cluster.request("DELETE", `/api/v1/namespaces/wasme/pods/${victim.name}`);
  await judge.restart(5);
  await sleep(3000);
  for (const { gate } of registries) await gate.open();
}

/** The figures, as a line for people. */
export function printFigures(title: string, report: Report, chaos: Chaos): void {
  const { pairs, refused, lateNodePairs, lateNodeRefused, requests, restarts, pods, nodes, versions } = report;
  const { kills, lateNodes } = chaos.done();
  process.stdout.write(
    `${title}: ${refused} of ${pairs - lateNodePairs} (pod, version) pairs refused, on late nodes ${lateNodeRefused} of ${lateNodePairs}; ` +
      `${Object.keys(versions).length} versions, ${pods} pods, ${nodes} nodes (${lateNodes} late), ${kills} kills, ` +
      `${restarts} proxy restarts, ${requests} requests\n`,
  );
}
