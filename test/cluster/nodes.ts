import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterClient, KubeObject } from "./api.ts";

/** Adds a fake node and waits until it is ready. */
export async function addNode(client: ClusterClient, name: string): Promise<void> {
  const labels = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" };
  const created = await client.request("POST", "/api/v1/nodes", { metadata: { name, labels } });
  if (created.status !== 201) throw new Error(`node ${name}: ${created.status} ${JSON.stringify(created.body)}`);
  await client.eventually<Node>(`/api/v1/nodes/${name}`, isReady, 30_000);
}

/** Takes a node out as `kubectl drain --ignore-daemonsets` does: nothing new comes, all but DaemonSets' pods go. */
export async function drainNode(client: ClusterClient, name: string): Promise<void> {
  await mergePatch(client, `/api/v1/nodes/${name}`, { spec: { unschedulable: true } });
  const pods = await podsOn(client, name);
  const leaving = pods.filter(({ metadata }) => !isOwnedBy(metadata["ownerReferences"], "DaemonSet"));
  await Promise.all(leaving.map(({ metadata }) => evict(client, metadata)));
}

/**
 * Takes a node away for good, with its pods. Nobody else here collects pods of nodes that are gone, and a DaemonSet's
 * controller that has not heard of it yet may make one more: looked for until there is none for a while.
 */
export async function removeNode(client: ClusterClient, name: string): Promise<void> {
  await client.request("DELETE", `/api/v1/nodes/${name}`);
  for (let quiet = 0; quiet < 3;) {
    const pods = await podsOn(client, name);
    await Promise.all(
      pods.map(({ metadata }) =>
        client.request("DELETE", `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}?gracePeriodSeconds=0`),
      ),
    );
    quiet = pods.length === 0 ? quiet + 1 : 0;
    await sleep(200);
  }
}

interface Node {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

async function podsOn(client: ClusterClient, node: string): Promise<readonly KubeObject[]> {
  const path = `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`;
  return (await client.request<{ items: readonly KubeObject[] }>("GET", path)).body.items;
}

function isOwnedBy(owners: unknown, kind: string): boolean {
  return ((owners ?? []) as readonly { readonly kind: string }[]).some((owner) => owner.kind === kind);
}

async function evict(client: ClusterClient, { namespace, name }: KubeObject["metadata"]): Promise<void> {
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
  const { status } = await client.request("POST", `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, eviction);
  if (status >= 300 && status !== 404) throw new Error(`pod ${name} was not evicted: ${status}`);
}

async function mergePatch(client: ClusterClient, path: string, patch: object): Promise<void> {
  const { status, body } = await client.request("PATCH", path, patch, "application/merge-patch+json");
  if (status !== 200) throw new Error(`PATCH ${path}: ${status} ${JSON.stringify(body)}`);
}
