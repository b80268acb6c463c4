import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { cacheUseOf } from "../../../src/deploy/our-objects.ts";
import type { Plan } from "../../../src/deploy/plan.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import type { ClusterDeps, DeployRequest, UndeployRequest } from "../../../src/deploy/request.ts";
import type { Delivery } from "../../../src/domain/delivery.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { ResolvedImage } from "../../../src/domain/resolved-image.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { stringMapAt } from "../../../src/kube/objects.ts";
import type { KubePort, ObjectRef } from "../../../src/kube/port.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import {
  imageOf as imageNamed,
  requestFor as deployIn,
  undeployFor as undeployIn,
} from "../../integration/deploy-support.ts";
import { MemoryCluster } from "./memory-cluster.ts";

/** The list of the cache that these tests use. */
export const LIST: Required<ObjectRef> = { kind: Kinds.configMap, namespace: "wasme", name: "wasme-cache" };
/** Each has a Deployment `web`. */
export const NAMESPACES = ["shop", "mall"] as const;

/** What somebody does with filter `hello` of a namespace. */
export interface Deed {
  readonly namespace: string;
  readonly does: "v1" | "v2" | "registry" | "undeploy";
}

/** An image of this tag, by its name alone. */
export function imageOf(tag: string): ResolvedImage {
  return imageNamed(`registry.example.com/team/hello:${tag}`);
}

/** What a deploy of filter `hello` asks for. Nobody reports here: what is shown is the order of the writes. */
export function requestFor(namespace: string, delivery: Delivery): DeployRequest {
  const request = deployIn(placeOf(namespace), { via: "wasmplugin", delivery, timeoutMs: 0 });
  return { ...request, cache: { ...request.cache, timeoutMs: 0 } };
}

/** What its undeploy asks for. */
export function undeployFor(namespace: string): UndeployRequest {
  return undeployIn(placeOf(namespace), { wait: false, timeoutMs: 0 });
}

function placeOf(namespace: string): Parameters<typeof deployIn>[0] {
  return { namespace, cacheNamespace: LIST.namespace };
}

/** A cluster with the namespaces and their workloads. */
export async function start(): Promise<MemoryCluster> {
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

/** What planning and applying takes: no dry runs, no pauses. */
export function depsOf(port: KubePort): ClusterDeps {
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  return { port, clock, events: () => undefined, trial: false };
}

/** Plans and applies, as the command does. */
export async function act(port: KubePort, { namespace, does }: Deed): Promise<void> {
  const deps = depsOf(port);
  const delivery = does === "registry" ? "registry" : "cache-http";
  const plan: Plan =
    does === "undeploy"
      ? await planUndeploy(deps, undeployFor(namespace))
      : await planDeploy(deps, requestFor(namespace, delivery), imageOf(does === "registry" ? "v1" : does));
  await applyPlan(deps, plan, { force: false, waits: "block" });
}

/** The same again until nothing stands in its way, as its user would. */
export async function finish(cluster: MemoryCluster, deed: Deed): Promise<void> {
  await act(cluster.port(), deed).catch(ignoreNotDeployed);
}

function ignoreNotDeployed(error: unknown): void {
  if (!(error instanceof WasmeError) || error.code !== "FILTER_NOT_DEPLOYED") throw error;
}

/** The keys that objects name. */
export function neededIn(cluster: MemoryCluster): readonly string[] {
  const uses = cluster.all(Kinds.wasmPlugin).flatMap((object) => cacheUseOf(object) ?? []);
  return [...new Set(uses.map(({ key }) => key))].toSorted();
}

/** The keys that the list has. */
export function listedIn(cluster: MemoryCluster): readonly string[] {
  return Object.keys(stringMapAt(cluster.find(LIST), "data")).toSorted();
}
