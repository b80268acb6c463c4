import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { noticesOn } from "../../../src/deploy/cache-list.ts";
import { cacheUseOf } from "../../../src/deploy/our-objects.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import type { ClusterDeps, DeployRequest, UndeployRequest } from "../../../src/deploy/request.ts";
import type { Delivery } from "../../../src/domain/delivery.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../../../src/kube/objects.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const LIST = { kind: Kinds.configMap, namespace: "wasme", name: "wasme-cache" };
const NAMESPACES = ["shop", "mall"] as const;

/** What somebody does with filter `hello` of a namespace. */
interface Deed {
  readonly namespace: string;
  readonly does: "v1" | "v2" | "registry" | "undeploy";
}

function imageOf(tag: string): ResolvedImage {
  const text = `registry.example.com/team/hello:${tag}`;
  return {
    reference: parseImageReference(text),
    source: "registry",
    format: "oci",
    manifestDigest: digestOf(`manifest of ${text}`),
    moduleDigest: digestOf(`module of ${text}`),
    moduleSize: 1234,
    runtimeConfig: { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["my_root"] } },
  };
}

function requestFor(namespace: string, delivery: Delivery): DeployRequest {
  return {
    image: imageOf("v1").reference,
    id: "hello",
    config: undefined,
    rootId: undefined,
    patchContext: "inbound",
    priority: 10,
    failurePolicy: "closed",
    phase: undefined,
    workloads: { kind: "Deployment", namespace, labels: {} },
    via: "wasmplugin",
    delivery,
    pullSecret: undefined,
    // Nobody reports here: what is shown is the order of the writes.
    cache: {
      name: LIST.name,
      namespace: LIST.namespace,
      image: "wasme:1",
      imagePullPolicy: "IfNotPresent",
      timeoutMs: 0,
    },
    check: true,
    dryRun: undefined,
    manifests: [],
    forceConflicts: false,
    wait: true,
    timeoutMs: 0,
  };
}

function undeployFor(namespace: string): UndeployRequest {
  const workloads = { kind: "Deployment", namespace, labels: {} } as const;
  const cache = { name: LIST.name, namespace: LIST.namespace };
  return { id: "hello", workloads, dryRun: undefined, wait: false, timeoutMs: 0, cache };
}

async function start(): Promise<MemoryCluster> {
  const cluster = new MemoryCluster();
  const port = cluster.port();
  for (const namespace of NAMESPACES) {
    await port.create(Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const selector = { matchLabels: { app: "web" } };
    const spec = { selector, template: { metadata: { labels: { app: "web" } }, spec: { containers: [] } } };
    const metadata = { name: "web", namespace };
    await port.create(Kinds.deployment, { apiVersion: "apps/v1", kind: "Deployment", metadata, spec });
  }
  return cluster;
}

function depsOf(port: KubePort): ClusterDeps {
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  return { port, clock, events: () => undefined, trial: false };
}

/** Plans and applies, as the command does. */
async function act(port: KubePort, { namespace, does }: Deed): Promise<void> {
  const deps = depsOf(port);
  const plan =
    does === "undeploy"
      ? await planUndeploy(deps, undeployFor(namespace))
      : await planDeploy(
          deps,
          requestFor(namespace, does === "registry" ? "registry" : "cache-http"),
          imageOf(does === "registry" ? "v1" : does),
        );
  await applyPlan(deps, plan, { force: false, waits: "block" });
}

/** The same again until nothing stands in its way, as its user would. */
async function finish(cluster: MemoryCluster, deed: Deed): Promise<void> {
  await act(cluster.port(), deed).catch(ignoreNotDeployed);
}

function ignoreNotDeployed(error: unknown): void {
  if (!(error instanceof WasmeError) || error.code !== "FILTER_NOT_DEPLOYED") throw error;
}

/** The keys that objects name. */
function neededIn(cluster: MemoryCluster): readonly string[] {
  const uses = cluster.all(Kinds.wasmPlugin).flatMap((object) => cacheUseOf(object) ?? []);
  return [...new Set(uses.map(({ key }) => key))].toSorted();
}

function listedIn(cluster: MemoryCluster): readonly string[] {
  return Object.keys(stringMapAt(cluster.find(LIST), "data")).toSorted();
}

const deed = (namespace: string): fc.Arbitrary<Deed> =>
  fc.record({ namespace: fc.constant(namespace), does: fc.constantFrom("v1", "v2", "registry", "undeploy") });
const before = fc.tuple(...NAMESPACES.map((namespace) => deed(namespace)));

describe("the list that deploys and undeploys share", () => {
  it("has what objects name at every moment, and nothing else in the end, in whatever order their requests come", async () => {
    const lives = fc.option(fc.nat(60), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), before, before, fc.tuple(lives, lives), async (s, first, then, dies) => {
        const cluster = await start();
        for (const one of first) await finish(cluster, one);
        const missing: string[] = [];
        cluster.onWrite = () => {
          const listed = listedIn(cluster);
          missing.push(...neededIn(cluster).filter((key) => !listed.includes(key)));
        };
        const runs = then.map(async (one, at) => {
          let left = dies[at] ?? Number.POSITIVE_INFINITY;
          const turn = async (): Promise<void> => {
            await s.schedule(Promise.resolve(), one.namespace);
            if ((left -= 1) < 0) throw new Error("killed");
          };
          await act(cluster.port(turn), one).catch(() => undefined);
        });
        await s.waitFor(Promise.all(runs));
        expect(missing).toEqual([]);
        // Whoever was killed, or refused, does the same again.
        for (const one of then) await finish(cluster, one);
        expect(missing).toEqual([]);
        expect(listedIn(cluster)).toEqual(neededIn(cluster));
        const list = cluster.find(LIST);
        expect([...noticesOn(list, "coming"), ...noticesOn(list, "going")]).toEqual([]);
        if (neededIn(cluster).length === 0) {
          expect(cluster.all(Kinds.daemonSet).map(({ metadata }) => metadata.name)).toEqual([]);
          expect(list).toBeUndefined();
        }
      }),
      { numRuns: Number(process.env["WASME_TEST_RUNS"] ?? 100) },
    );
  });
});
