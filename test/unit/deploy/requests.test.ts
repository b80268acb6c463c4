import { describe, expect, it } from "vitest";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { applyMergePatch } from "../../../src/deploy/edit-workload.ts";
import type { Plan } from "../../../src/deploy/plan.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import type { ClusterDeps } from "../../../src/deploy/request.ts";
import type { ResourceKind } from "../../../src/kube/kinds.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { KubePort, ObjectRef } from "../../../src/kube/port.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { imageOf, requestFor, undeployFor, workload } from "../../integration/deploy-support.ts";

const PLACE = { namespace: "shop", cacheNamespace: "wasme" };
const V1 = imageOf("registry.example.com/team/hello:v1");
const V2 = imageOf("registry.example.com/team/hello:v2");

/** A server in memory, for counting: nobody else writes, and everything is allowed. */
function counted(objects: readonly KubeObject[]): { readonly port: KubePort; readonly calls: () => number } {
  let calls = 0;
  let version = 0;
  const stored = new Map<string, KubeObject>();
  const keyOf = ({ kind, namespace, name }: ObjectRef): string => `${kind.plural}/${namespace ?? ""}/${name}`;
  const store = (ref: ObjectRef, object: KubeObject, dryRun = false): KubeObject => {
    version += 1;
    const managedFields = [{ manager: "wasme-cli", operation: "Apply" }];
    const { uid = `uid-${version}` } = stored.get(keyOf(ref))?.metadata ?? {};
    const metadata = { ...object.metadata, uid, resourceVersion: String(version), managedFields };
    const made = { ...object, metadata };
    if (!dryRun) stored.set(keyOf(ref), made);
    return made;
  };
  const refOf = (kind: ResourceKind, { metadata }: KubeObject): ObjectRef => {
    const { name, namespace } = metadata;
    return namespace === undefined ? { kind, name } : { kind, name, namespace };
  };
  const matches = (object: KubeObject, selector = ""): boolean =>
    selector
      .split(",")
      .filter((part) => part !== "")
      .every((part) => {
        const [key = "", value] = part.split("=");
        const found = object.metadata.labels?.[key];
        return value === undefined ? found !== undefined : found === value;
      });
  const port: Partial<KubePort> = {
    namespace: "shop",
    fieldManager: "wasme-cli",
    get: async (ref) => stored.get(keyOf(ref)),
    list: async ({ kind, namespace, labelSelector }) => ({
      items: [...stored]
        .filter(([key]) => key.startsWith(`${kind.plural}/${namespace ?? ""}`))
        .map(([, object]) => object)
        .filter((object) => matches(object, labelSelector)),
      resourceVersion: String(version),
    }),
    apply: async (kind, object, options) => store(refOf(kind, object), object, options?.dryRun),
    create: async (kind, object, options) => store(refOf(kind, object), object, options?.dryRun),
    patch: async (ref, patch, options) =>
      store(ref, applyMergePatch(stored.get(keyOf(ref)), patch) as KubeObject, options?.dryRun),
    delete: async (ref) => stored.delete(keyOf(ref)),
    served: async () => true,
    accessReview: async () => true,
    version: async () => ({ major: 1, minor: 36 }),
  };
  store({ kind: Kinds.namespace, name: "shop" }, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  for (const object of objects) store(refOf(Kinds.deployment, object), object);
  const get = (target: Partial<KubePort>, name: keyof KubePort): unknown => {
    if (typeof target[name] === "function") calls += 1;
    return target[name];
  };
  return { port: new Proxy(port, { get }) as KubePort, calls: () => calls };
}

/** How many requests each step of a filter's life takes on so many workloads. */
async function requests(count: number): Promise<Readonly<Record<string, number>>> {
  const webs = Array.from({ length: count }, (_, i) => workload("shop", { name: `web-${i}`, replicas: 0 }));
  const { port, calls } = counted(webs);
  const deps: ClusterDeps = { port, clock: systemClock, events: () => undefined };
  const base = requestFor(PLACE, { via: "wasmplugin", delivery: "cache-http" });
  const request = { ...base, cache: { ...base.cache, timeoutMs: 0 } };
  const run = async (make: () => Promise<Plan>): Promise<number> => {
    const before = calls();
    const plan = await make();
    await applyPlan(deps, plan, { force: false, waits: "block" });
    return calls() - before;
  };
  return {
    first: await run(() => planDeploy(deps, request, V1)),
    again: await run(() => planDeploy(deps, request, V1)),
    update: await run(() => planDeploy(deps, request, V2)),
    undeploy: await run(() => planUndeploy(deps, undeployFor(PLACE))),
  };
}

describe("the requests of a deploy", () => {
  it("grow by one for each workload that has to be written, and by none for others", async () => {
    const [few, many] = [await requests(40), await requests(80)];
    const growth = Object.entries(many).map(([step, count]) => [step, count - (few[step] ?? 0)]);
    expect(Object.fromEntries(growth)).toEqual({ first: 40, again: 0, update: 40, undeploy: 40 });
  });
});
