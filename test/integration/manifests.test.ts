import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { stringify } from "yaml";
import { packageVersion } from "../../src/cli/version.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { kindOf, Kinds } from "../../src/kube/kinds.ts";
import type { KubeObject } from "../../src/kube/objects.ts";
import { buildCacheObjects, type CacheSettings } from "../../src/mesh/cache-objects.ts";
import { buildOperatorKinds, buildOperatorProgram, type OperatorSettings } from "../../src/mesh/operator-objects.ts";
import { defaults } from "../../tools/manifests/settings.mjs";
import { writeManifests } from "../../tools/manifests/write.mjs";
import type { ClusterClient } from "../cluster/api.ts";
import { parseObjects } from "../cluster/client.ts";
import { startCluster } from "../cluster/cluster.ts";
import { helmPath, kustomizePath } from "../components/go-programs.ts";
import { need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { waitFor } from "../components/wait.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const builders = { buildCacheObjects, buildOperatorKinds, buildOperatorProgram };
const version = packageVersion();
const { cache, operator } = defaults(version);
const root = makeTempDir("wasme-manifests-");
const chart = join(root, "manifests/chart");
const people = buildOperatorKinds().filter(({ kind }) => kind === "ClusterRole");

beforeAll(() => writeManifests(join(root, "manifests"), version, builders));
afterAll(() => rm(root, { recursive: true, force: true }));

const AFFINITY = {
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: "pool", operator: "NotIn", values: ["virtual", "1"] }] }],
    },
  },
};

/** Values of the chart, and what the functions say to the same. */
const CHARTS: readonly {
  readonly values: object;
  readonly flags?: readonly string[];
  readonly cache?: Partial<CacheSettings> | null;
  readonly operator?: Partial<OperatorSettings> | null;
  readonly without?: readonly string[];
}[] = [
  { values: {} },
  { values: { operator: { enabled: false } }, operator: null },
  { values: { cache: { enabled: false } }, cache: null, operator: { cache: undefined } },
  { values: { cache: { files: true } }, cache: { files: true } },
  {
    values: {
      cache: { nodeSelector: { disk: "ssd" }, affinity: AFFINITY },
      operator: { nodeSelector: { "kubernetes.io/os": null, "404": "1" }, affinity: AFFINITY },
    },
    cache: { nodeSelector: { "kubernetes.io/os": "linux", disk: "ssd" }, affinity: AFFINITY },
    operator: { nodeSelector: { "404": "1" }, affinity: AFFINITY },
  },
  {
    values: { cache: { files: true, authSecret: "creds", tolerations: [{ key: "dedicated", operator: "Exists" }] } },
    cache: { files: true, authSecret: "creds", tolerations: [{ key: "dedicated", operator: "Exists" }] },
  },
  {
    values: {
      image: { repository: "registry.example:5000/wasme", tag: "1.2@sha256:00", pullPolicy: "Always" },
      imagePullSecrets: [{ name: "one" }, { name: "two" }],
      cache: {
        namespace: "123",
        priorityClassName: "system-node-critical",
        tolerations: [
          { key: "a", operator: "Exists" },
          { key: "b", operator: "Equal", value: "yes", effect: "NoExecute" },
        ],
        resources: { limits: { memory: "1Gi" }, requests: null },
      },
      operator: {
        namespace: "mesh-tools",
        replicas: 3,
        authSecret: "creds",
        pullSecrets: ["one", "two"],
        watchNamespaces: ["shop", "404"],
        priorityClassName: "high",
        tolerations: [{ operator: "Exists" }],
        resources: { limits: null, requests: { cpu: "1" } },
      },
    },
    cache: {
      namespace: "123",
      image: "registry.example:5000/wasme:1.2@sha256:00",
      imagePullPolicy: "Always",
      imagePullSecrets: [{ name: "one" }, { name: "two" }],
      priorityClassName: "system-node-critical",
      tolerations: [
        { key: "a", operator: "Exists" },
        { key: "b", operator: "Equal", value: "yes", effect: "NoExecute" },
      ],
      resources: { limits: { memory: "1Gi" } },
    },
    operator: {
      namespace: "mesh-tools",
      image: "registry.example:5000/wasme:1.2@sha256:00",
      imagePullPolicy: "Always",
      imagePullSecrets: [{ name: "one" }, { name: "two" }],
      replicas: 3,
      authSecret: "creds",
      pullSecrets: ["one", "two"],
      watchNamespaces: ["shop", "404"],
      priorityClassName: "high",
      tolerations: [{ operator: "Exists" }],
      resources: { requests: { cpu: "1", memory: "192Mi" } },
      cache: { name: "wasme-cache", namespace: "123" },
    },
  },
  { values: {}, flags: ["--kube-version", "1.33.7"], cache: { kubernetes: { major: 1, minor: 33 } } },
  { values: {}, flags: ["--kube-version", "v1.34.1-gke.100"], cache: { kubernetes: { major: 1, minor: 34 } } },
  { values: {}, flags: ["--kube-version", "1.29.0"], cache: { kubernetes: { major: 1, minor: 29 } } },
  { values: {}, flags: ["--namespace", "wasme"], without: ["Namespace/wasme"] },
  {
    values: { operator: { namespace: "wasme" } },
    operator: { namespace: "wasme" },
    without: ["operator's Namespace/wasme"],
  },
];

describe("the chart, rendered by Helm", () => {
  it.for(CHARTS)("is what the functions say: $values $flags", async (given, context) => {
    const helm = await need(context, "helm", helmPath);
    const values = join(root, "values.yaml");
    await writeFile(values, stringify(given.values, { version: "1.1" }));
    const flags = given.flags ?? ["--kube-version", "1.36.0"];
    const { stdout } = await runOk(helm, ["template", "wasme", chart, "--values", values, ...flags]);
    const cacheObjects = given.cache === null ? [] : buildCacheObjects({ ...cache, ...given.cache });
    const program =
      given.operator === null
        ? []
        : [...people, ...buildOperatorProgram({ ...operator, ...given.operator, plainNames: true })];
    const without = new Set(given.without);
    const wanted = [
      ...cacheObjects.filter((object) => !without.has(title(object))),
      ...program.filter((object) => !without.has(`operator's ${title(object)}`)),
    ];
    expect(sorted(parseObjects(stdout))).toEqual(sorted(wanted));
  });
});

describe("the chart", () => {
  it("passes Helm's strictest look", async (context) => {
    const helm = await need(context, "helm", helmPath);
    const { stdout } = await runOk(helm, ["lint", "--strict", chart, "--kube-version", "1.36.0"]);
    expect(stdout).toContain("0 chart(s) failed");
  });
});

describe("the kustomize base", () => {
  it("is what the functions say", async (context) => {
    const kustomize = await need(context, "kustomize", kustomizePath);
    const { stdout } = await runOk(kustomize, ["build", join(root, "manifests/kustomize")]);
    const wanted = [...buildCacheObjects(cache), ...buildOperatorKinds(), ...buildOperatorProgram(operator)];
    expect(sorted(parseObjects(stdout))).toEqual(sorted(wanted));
  });
});

describe("on a real server", () => {
  it("all is taken, strictly read, and pods run under Pod Security", async (context) => {
    const cluster = await need(context, "cluster", () => startCluster({ crds: "none" }));
    onTestFinished(() => cluster.stop());
    const port = await connectCluster(
      { clock: systemClock, events: (event) => void warnings.push(event) },
      { env: { KUBECONFIG: cluster.kubeconfigPath }, cwd: root },
    );
    onTestFinished(() => port.close());
    const warnings: unknown[] = [];
    const apply = async (file: string): Promise<void> => {
      for (const object of parseObjects(await readFile(join(root, "manifests", file), "utf8"))) {
        const kind = kindOf(object);
        if (kind === undefined) throw new Error(`${object.kind} is no kind of ours`);
        await port.apply(kind, object, { force: true });
      }
    };
    await apply("cache.yaml");
    await apply("operator.yaml");
    await apply("operator-namespaced.yaml");
    const daemonSet = "/apis/apps/v1/namespaces/wasme/daemonsets/wasme-cache";
    const deployment = "/apis/apps/v1/namespaces/wasme-operator/deployments/wasme-operator";
    await cluster.eventually<Status>(daemonSet, ({ status }) => status?.numberReady === 2);
    await cluster.eventually<Status>(deployment, ({ status }) => status?.readyReplicas === 1);
    // The directory of the node is what the level forbids: the namespace has to say so, and does.
    const files = buildCacheObjects({ ...cache, files: true }).at(-1);
    const labelled = { metadata: { labels: { "pod-security.kubernetes.io/warn": "restricted" } } };
    await cluster.request("PATCH", "/api/v1/namespaces/wasme", labelled, "application/merge-patch+json");
    await port.apply(Kinds.daemonSet, files as KubeObject, { force: true, dryRun: true });
    expect(JSON.stringify(warnings)).toContain("hostPath");
    await apply("cache-files.yaml");
    await cluster.eventually<Status>(daemonSet, ({ metadata, status }) => {
      return (
        status?.observedGeneration === metadata.generation &&
        status.updatedNumberScheduled === 2 &&
        status.numberReady === 2
      );
    });
    await release(await need(context, "helm", helmPath), cluster);
  });
});

/** Helm installs, upgrades and removes it, too. */
async function release(helm: string, cluster: ClusterClient): Promise<void> {
  const set = "cache.namespace=mesh-cache,operator.namespace=mesh-operator,operator.replicas=2";
  const args = ["--kubeconfig", cluster.kubeconfigPath, "--namespace", "releases"];
  const env = { ...process.env, HELM_CACHE_HOME: root, HELM_CONFIG_HOME: root, HELM_DATA_HOME: root };
  // What is left of what was applied by hand would be taken for somebody else's.
  const roles = "/apis/rbac.authorization.k8s.io/v1";
  const definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/filterdeployments.wasme.io";
  const left = [`${roles}/clusterroles/wasme-operator`, `${roles}/clusterrolebindings/wasme-operator`, definition];
  for (const { metadata } of people) left.push(`${roles}/clusterroles/${metadata.name}`);
  for (const path of left) await cluster.request("DELETE", path);
  await waitFor("the kind to be gone", async () => {
    return (await cluster.request("GET", definition)).status === 404 ? true : undefined;
  });
  await runOk(helm, ["install", "wasme", chart, ...args, "--create-namespace", "--set", set, "--wait"], { env });
  const deployment = "/apis/apps/v1/namespaces/mesh-operator/deployments/wasme-operator";
  const { body } = await cluster.request<Status>("GET", deployment);
  expect(body.status?.readyReplicas).toBe(2);
  await runOk(helm, ["upgrade", "wasme", chart, ...args, "--set", `${set},cache.files=true`, "--wait"], { env });
  await runOk(helm, ["uninstall", "wasme", ...args, "--wait"], { env });
  expect((await cluster.request("GET", deployment)).status).toBe(404);
}

interface Status {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly numberReady?: number;
    readonly readyReplicas?: number;
    readonly updatedNumberScheduled?: number;
    readonly observedGeneration?: number;
  };
}

function title({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}

function sorted(objects: readonly KubeObject[]): readonly unknown[] {
  const key = (object: KubeObject): string => `${title(object)} ${object.metadata.namespace ?? ""}`;
  const ordered = objects.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  return ordered.map((object): unknown => JSON.parse(JSON.stringify(object)));
}
