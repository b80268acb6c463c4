import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkVolumes } from "../../../src/deploy/check-volumes.ts";
import { nodeProgress } from "../../../src/deploy/node-progress.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { formatEntryReport } from "../../../src/mesh/node-report.ts";
import { podFacts } from "../../../src/operator/pod-facts.ts";
import { systemClock } from "../../../src/platform/clock.ts";

const NOW = Date.parse("2026-01-01T01:00:00Z");
const TIMES = ["2026-01-01T00:00:00Z", "2026-01-01T00:59:50Z", "2026-01-01T00:59:55Z"];
const VOLUME = "wasme-image-0123";
const KEY = "sha256-aa";
const MODULE = digestOf("module");

interface Drawn {
  readonly node: string;
  readonly bound: boolean;
  readonly created: string;
  readonly ready: "True" | "False" | undefined;
  readonly going: boolean;
  readonly phase: string;
  readonly proxy: "container" | "init container" | "annotation" | undefined;
  readonly volume: "image" | "empty" | "hostPath" | undefined;
  readonly trouble?: "crash" | "image" | undefined;
}

/** A pod with all that a server stores, and that nobody here reads. */
function podOf(drawn: Drawn, index: number): KubeObject {
  const { node, bound, created, ready, going, phase, proxy, volume, trouble } = drawn;
  const required = {
    nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }],
  };
  const proxyContainer = { name: "istio-proxy", image: "proxyv2", env: [{ name: "A", value: "b" }] };
  const source = {
    image: { image: { reference: "r" } },
    empty: { emptyDir: {} },
    hostPath: { hostPath: { path: "/x" } },
  };
  const name = volume === "hostPath" ? "wasme-cache" : VOLUME;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: Object.assign(
      {
        name: `pod-${index}`,
        namespace: "shop",
        uid: `uid-${index}`,
        labels: { app: "web" },
        ...(going ? { deletionTimestamp: created } : {}),
        ...(proxy === "annotation" ? { annotations: { "sidecar.istio.io/status": '{"initContainers":[]}' } } : {}),
        managedFields: [{ manager: "kubelet", operation: "Update" }],
      },
      { creationTimestamp: created },
    ),
    spec: {
      ...(bound ? { nodeName: node } : {}),
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } },
      containers: [{ name: "app", image: "app:1" }, ...(proxy === "container" ? [proxyContainer] : [])],
      ...(proxy === "init container" ? { initContainers: [proxyContainer] } : {}),
      volumes: [{ name: "token", projected: {} }, ...(volume === undefined ? [] : [{ name, ...source[volume] }])],
    },
    status: {
      phase,
      podIP: "10.0.0.1",
      ...(trouble === undefined ? {} : { containerStatuses: [{ name: "cache", imageID: "i", ...TROUBLES[trouble] }] }),
      conditions: [
        { type: "PodScheduled", status: "True" },
        ...(ready === undefined ? [] : [{ type: "Ready", status: ready, lastTransitionTime: created }]),
      ],
    },
  };
}

const TROUBLES = {
  crash: { ready: false, restartCount: 7, state: { terminated: { exitCode: 1 } } },
  image: { ready: false, restartCount: 0, state: { waiting: { reason: "ImagePullBackOff", message: "no" } } },
};

const somePods = fc
  .array(
    fc.record<Drawn>({
      node: fc.constantFrom("a", "b", "c"),
      bound: fc.boolean(),
      created: fc.constantFrom(...TIMES),
      ready: fc.constantFrom("True", "False", undefined),
      going: fc.boolean(),
      phase: fc.constantFrom("Pending", "Running", "Failed"),
      proxy: fc.constantFrom("container", "init container", "annotation", undefined),
      volume: fc.constantFrom("image", "empty", "hostPath", undefined),
      trouble: fc.constantFrom("crash", "image", undefined),
    }),
    { maxLength: 6 },
  )
  .map((drawn) => drawn.map((one, index) => podOf(one, index)));

describe("what the operator keeps of a pod", () => {
  it("says as much as the whole pod about the nodes that have a module", () => {
    fc.assert(
      fc.property(somePods, fc.boolean(), (pods, files) => {
        const question = { key: KEY, moduleDigest: MODULE, now: NOW, graceMs: 60_000, files };
        const seen = { daemonSet: daemonSet(2), reports: pods.map((pod) => report(pod)), readers: new Set(["a"]) };
        const facts = pods.map((pod) => podFacts(pod));
        expect(nodeProgress({ ...seen, pods: facts }, question)).toEqual(nodeProgress({ ...seen, pods }, question));
      }),
    );
  });

  it("says as much as the whole pod about its volumes", async () => {
    await fc.assert(
      fc.asyncProperty(somePods, async (pods) => {
        expect(await lostIn(pods.map((pod) => podFacts(pod)))).toEqual(await lostIn(pods));
      }),
    );
  });

  it("tells a full node from one that nobody counted, and a pod without its image", async () => {
    const base: Drawn = {
      node: "a",
      bound: true,
      created: TIMES[0] ?? "",
      ready: "True",
      going: false,
      phase: "Running",
      proxy: "container",
      volume: "empty",
    };
    const full = podOf({ ...base, node: "b", bound: false, ready: undefined, phase: "Pending" }, 1);
    const pods = [podOf(base, 0), full].map((pod) => podFacts(pod));
    const seen = { daemonSet: daemonSet(2), pods, reports: pods.map((pod) => report(pod)), readers: new Set<string>() };
    const question = { key: KEY, moduleDigest: MODULE, now: NOW, graceMs: 60_000, files: false };
    expect(nodeProgress(seen, question)).toMatchObject({ status: "done", passed: new Set(["b"]) });
    expect(await lostIn(pods)).toBe("IMAGE_VOLUME_LOST pod-0");
  });
});

function daemonSet(desired: number): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "c", generation: 1 },
    status: { observedGeneration: 1, desiredNumberScheduled: desired },
  };
}

function report({ metadata }: KubeObject): KubeObject {
  const text = formatEntryReport({ state: "ready", reference: "r", time: TIMES[0] ?? "" });
  const node = "abc"[Number(metadata.name.slice(-1)) % 3] ?? "";
  const about = { name: node, annotations: { "wasme.io/node-name": node }, ownerReferences: [{ uid: metadata.uid }] };
  return { apiVersion: "v1", kind: "ConfigMap", metadata: about, data: { [KEY]: text } };
}

/** What is found missing among these pods. */
async function lostIn(pods: readonly KubeObject[]): Promise<string | undefined> {
  const port = { list: () => Promise.resolve({ items: pods, resourceVersion: "1" }) } as Partial<KubePort> as KubePort;
  const step = {
    type: "check-volumes",
    volume: VOLUME,
    pods: [{ namespace: "shop", labels: { app: "web" } }],
  } as const;
  try {
    await checkVolumes({ port, clock: systemClock, events: () => undefined }, step);
    return undefined;
  } catch (error) {
    if (error instanceof WasmeError) return `${error.code} ${String(error.details?.["pod"])}`;
    throw error;
  }
}
