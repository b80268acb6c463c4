import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import {
  type CacheSnapshot,
  type EntryQuestion,
  isServed,
  nodeProgress,
  progressText,
} from "../../../src/deploy/node-progress.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { type EntryReport, formatEntryReport } from "../../../src/mesh/node-report.ts";

const KEY = "sha256-aa";
const MODULE = digestOf("module");
const NOW = Date.parse("2026-01-01T01:00:00Z");
const YOUNG = "2026-01-01T00:59:50Z";
const OLD = "2026-01-01T00:00:00Z";
const QUESTION: EntryQuestion = { key: KEY, moduleDigest: MODULE, files: false, now: NOW, graceMs: 60_000 };

function pod(
  node: string,
  more: { ready?: boolean; since?: string; uid?: string; going?: boolean; bound?: boolean; files?: boolean } = {},
): KubeObject {
  const { ready = true, since = OLD, uid = `uid-${node}`, going = false, bound = true, files = false } = more;
  const fields = [{ key: "metadata.name", operator: "In", values: [node] }];
  const required = { nodeSelectorTerms: [{ matchFields: fields }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
  const metadata = {
    name: `cache-${uid}`,
    uid,
    creationTimestamp: since,
    ...(going ? { deletionTimestamp: OLD } : {}),
  };
  const conditions = [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: since }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: {
      ...(bound ? { nodeName: node } : { affinity }),
      volumes: [{ name: "wasme-cache", ...(files ? { hostPath: { path: "/var/lib/wasme" } } : { emptyDir: {} }) }],
    },
    status: { conditions },
  };
}

function report(node: string, entry: Partial<EntryReport> = {}, uid = `uid-${node}`): KubeObject {
  const text = formatEntryReport({ state: "ready", reference: "r", time: OLD, ...entry });
  const metadata = { name: node, annotations: { "wasme.io/node-name": node }, ownerReferences: [{ uid }] };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { [KEY]: text } };
}

function cluster(desired: number, more: Partial<CacheSnapshot>): CacheSnapshot {
  const daemonSet = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "c", generation: 1 },
    status: { observedGeneration: 1, desiredNumberScheduled: desired },
  };
  return { daemonSet, pods: [], reports: [], readers: new Set(), ...more };
}

/** `done 2/3`. */
function sum(seen: CacheSnapshot): string {
  const { status, ready, wanted } = nodeProgress(seen, QUESTION);
  return `${status} ${ready}/${wanted}`;
}

describe("nodeProgress", () => {
  const a = pod("a");
  const b = pod("b");
  it.each<[string, CacheSnapshot, string]>([
    ["every node reports", cluster(2, { pods: [a, b], reports: [report("a"), report("b")] }), "done 2/2"],
    ["one has not", cluster(2, { pods: [a, b], reports: [report("a")] }), "waiting 1/2"],
    [
      "one is fetching",
      cluster(2, { pods: [a, b], reports: [report("a"), report("b", { state: "pulling" })] }),
      "waiting 1/2",
    ],
    ["a DaemonSet has made no pod yet", cluster(2, {}), "waiting 0/2"],
    ["no node runs the cache", cluster(0, {}), "waiting 0/0"],
    ["a pod is still to be made", cluster(3, { pods: [a, b], reports: [report("a"), report("b")] }), "waiting 2/3"],
    [
      "a pod is bound nowhere yet",
      cluster(2, { pods: [a, pod("b", { bound: false, ready: false, since: YOUNG })], reports: [report("a")] }),
      "waiting 1/2",
    ],
    [
      "a pod is not ready, by a clock that was set back since",
      cluster(2, { pods: [a, pod("b", { ready: false, since: "2026-01-02T00:00:00Z" })], reports: [report("a")] }),
      "done 1/2",
    ],
    [
      "a pod is not ready, by a clock that is a little ahead of ours",
      cluster(2, { pods: [a, pod("b", { ready: false, since: "2026-01-01T01:30:00Z" })], reports: [report("a")] }),
      "waiting 1/2",
    ],
    [
      "a young pod is not ready",
      cluster(2, { pods: [a, pod("b", { ready: false, since: YOUNG })], reports: [report("a"), report("b")] }),
      "waiting 1/2",
    ],
    [
      "a pod has been down for long",
      cluster(2, { pods: [a, pod("b", { ready: false })], reports: [report("a")] }),
      "done 1/2",
    ],
    [
      "all have been down for long",
      cluster(1, { pods: [pod("a", { ready: false })], reports: [report("a")] }),
      "waiting 0/1",
    ],
    [
      "a drained node's pod is going",
      cluster(1, { pods: [a, pod("b", { going: true })], reports: [report("a")] }),
      "done 1/1",
    ],
    [
      "the report is of a pod before",
      cluster(1, { pods: [a], reports: [report("a", {}, "uid-before")] }),
      "waiting 0/1",
    ],
    [
      "the new pod of two is not ready yet",
      cluster(1, { pods: [a, pod("a", { uid: "new", ready: false, since: YOUNG })], reports: [report("a")] }),
      "done 1/1",
    ],
    [
      "a reader's node has no cache",
      cluster(1, { pods: [a], reports: [report("a")], readers: new Set(["a", "x"]) }),
      "waiting 1/2",
    ],
    [
      "a reader's cache has been down",
      cluster(2, { pods: [a, pod("b", { ready: false })], reports: [report("a")], readers: new Set(["b"]) }),
      "waiting 1/2",
    ],
    ["there is no cache", { daemonSet: undefined, pods: [], reports: [], readers: new Set() }, "waiting 0/0"],
  ])("when %s", (_, seen, expected) => {
    expect(sum(seen)).toBe(expected);
  });

  it("counts no pod that keeps files nowhere, where files are read", () => {
    const files = { ...QUESTION, files: true };
    const look = (seen: CacheSnapshot): unknown => {
      const { status, open } = nodeProgress(seen, files);
      return [status, ...open.entries()];
    };
    const readers = new Set(["a"]);
    const before = cluster(1, { pods: [a], reports: [report("a")], readers });
    expect(nodeProgress(before, QUESTION).status).toBe("done");
    expect(look(before)).toEqual(["waiting", ["a", "its cache keeps no files yet"]]);
    // The pod that takes its place is looked at as soon as it is there, although the old one is ready.
    const young = pod("a", { files: true, uid: "new", ready: false, since: YOUNG });
    expect(look({ ...before, pods: [young, a] })).toEqual(["waiting", ["a", "its cache pod is not ready"]]);
    const there = pod("a", { files: true, uid: "new", since: YOUNG });
    expect(look({ ...before, pods: [there, a], reports: [report("a", {}, "new")] })).toEqual(["done"]);
  });

  it("says of a pod that is not ready why, as far as the pod says", () => {
    const why = (...containerStatuses: readonly object[]): unknown => {
      const down = pod("a", { ready: false, since: YOUNG });
      const status = { ...(down["status"] as object), containerStatuses };
      return [...nodeProgress(cluster(1, { pods: [{ ...down, status }], reports: [] }), QUESTION).open.values()];
    };
    expect(why()).toEqual(["its cache pod is not ready"]);
    expect(why({ restartCount: 7, state: { waiting: { reason: "CrashLoopBackOff" } } })).toEqual([
      "its cache pod is not ready, and was restarted",
    ]);
    expect(why({ restartCount: 0, state: { waiting: { reason: "ImagePullBackOff" } } })).toEqual([
      "its cache pod is not ready: its image cannot be pulled",
    ]);
  });

  it("passes over a pod that ended", () => {
    const ended = (node: string): KubeObject => ({ ...pod(node), status: { phase: "Failed" } });
    expect(sum(cluster(1, { pods: [a, ended("b")], reports: [report("a")] }))).toBe("done 1/1");
  });

  it("tells who gave up and why, also for other bytes than expected", () => {
    const reports = [report("a", { state: "failed", error: "401" }), report("b", { module: digestOf("other") })];
    const { failed } = nodeProgress(cluster(2, { pods: [a, b], reports }), QUESTION);
    expect([...failed]).toEqual([
      ["a", "401"],
      ["b", expect.stringContaining("it holds module sha256:")],
    ]);
  });

  it("is said in few words", () => {
    const pods = ["a", "b", "c", "d", "e"].map((node) => pod(node));
    const reports = [report("a"), report("b", { state: "pulling", error: "503, tried again" })];
    expect(progressText(nodeProgress(cluster(5, { pods, reports }), QUESTION))).toBe(
      "1/5 nodes; b: 503, tried again; c: no report of it yet; d: no report of it yet; 1 more",
    );
  });

  it("says so when no node is to have a cache pod", () => {
    expect(progressText(nodeProgress(cluster(0, {}), QUESTION))).toBe("0/0 nodes; no node has a cache pod");
  });

  it("knows when nobody who asks can be refused although nodes are missing", () => {
    const served = (seen: CacheSnapshot): boolean => isServed(nodeProgress(seen, QUESTION), seen, QUESTION);
    const down = pod("b", { ready: false, since: YOUNG });
    expect(served(cluster(2, { pods: [a, down], reports: [report("a")] }))).toBe(true);
    expect(served(cluster(2, { pods: [a, b], reports: [report("a")] }))).toBe(false);
    expect(served(cluster(2, { pods: [a, down], reports: [report("a")], readers: new Set(["b"]) }))).toBe(false);
    expect(served(cluster(1, { pods: [a] }))).toBe(false);
  });
});
