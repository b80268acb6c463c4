import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { formatEntryReport } from "../../src/mesh/node-report.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";

/** What the nodes of a cache say of its list. */
export interface Reporter {
  /** Says nothing of entries it has not reported yet, until {@link Reporter.release}. */
  hold(): void;
  release(): void;
  /** From now on these nodes give every new entry up. */
  fail(nodes: readonly string[], error: string): void;
}

/**
 * Reports for the nodes of a cache as its pods would, until the test ends: a fake node runs no program, and what is tested
 * here is who listens to the reports. Each ready pod says "ready" of each entry of the list.
 */
export function startReporter(client: ClusterClient, namespace: string, name = "wasme-cache"): Reporter {
  const reporter = runReporter(client, namespace, name);
  onTestFinished(() => reporter.stop());
  return reporter;
}

/** The same, until it is stopped. */
export function runReporter(
  client: ClusterClient,
  namespace: string,
  name = "wasme-cache",
): Reporter & { stop(): Promise<void> } {
  const state = { held: false, failing: new Map<string, string>(), over: false };
  const told = new Map<string, string>();
  const core = `/api/v1/namespaces/${namespace}`;
  const round = async (): Promise<void> => {
    const list = await client.request<{ data?: Record<string, string> }>("GET", `${core}/configmaps/${name}`);
    if (list.status !== 200) return;
    const pods = await client.request<{ items: Pod[] }>("GET", `${core}/pods`);
    for (const pod of pods.body.items.filter((one) => isReady(one))) {
      await report(pod, list.body.data ?? {});
    }
  };
  const report = async (pod: Pod, entries: Record<string, string>): Promise<void> => {
    const node = pod.spec.nodeName ?? "";
    const error = state.failing.get(node);
    const verdict = error === undefined ? ({ state: "ready" } as const) : ({ state: "failed", error } as const);
    const time = "2026-01-01T00:00:00Z";
    const data = Object.fromEntries(
      Object.entries(entries).map(([key, reference]) => [key, formatEntryReport({ ...verdict, reference, time })]),
    );
    const text = JSON.stringify([pod.metadata.uid, data]);
    if (state.held || told.get(node) === text) return;
    const { uid, name: podName } = pod.metadata;
    const labels = {
      "app.kubernetes.io/name": "wasme-cache",
      "app.kubernetes.io/instance": name,
      "app.kubernetes.io/managed-by": "wasme",
      "wasme.io/node": node,
    };
    const ownerReferences = [{ apiVersion: "v1", kind: "Pod", name: podName, uid }];
    const metadata = {
      name: `${name}-node-${node}`,
      labels,
      annotations: { "wasme.io/node-name": node },
      ownerReferences,
    };
    const path = `${core}/configmaps/${metadata.name}?fieldManager=wasme-cache&force=true`;
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
    const { status } = await client.request("PATCH", path, body, "application/apply-patch+yaml");
    if (status < 300) told.set(node, text);
  };
  const loop = (async () => {
    while (!state.over) {
      // A server that is being stopped or restarted is not this one's matter.
      await round().catch(() => undefined);
      await sleep(50);
    }
  })();
  return {
    stop: async () => {
      state.over = true;
      await loop;
    },
    hold: () => void (state.held = true),
    release: () => void (state.held = false),
    fail: (nodes, error) => {
      state.failing = new Map(nodes.map((node) => [node, error]));
    },
  };
}

interface Pod extends KubeObject {
  readonly metadata: KubeObject["metadata"] & { readonly uid: string };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
}
