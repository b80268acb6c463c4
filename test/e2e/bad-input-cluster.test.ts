import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { startCluster } from "../cluster/cluster.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { need } from "../components/require-component.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type Refusal, runRefused } from "../support/refusal.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir, tempDir } from "../support/temp-dir.ts";

let hub: HubServer;
let image: string;

beforeAll(async () => {
  hub = await startHub();
  image = `${hub.host}/team/hello:v1`;
  const home = makeTempDir();
  for (const args of [
    ["build", "precompiled", HELLO_WASM, "-t", image],
    ["push", image],
  ]) {
    const { code, stderr } = await runCli(args, { home });
    if (code !== 0) throw new Error(stderr);
  }
  rmSync(home, { recursive: true });
});
afterAll(() => hub.close());

/** What `HOME/.kube/config` holds (nothing when absent), which command, and what is said; `?` is the image. */
const KUBECONFIGS: readonly (readonly [string, string | undefined, string, Refusal])[] = [
  [
    "none",
    undefined,
    "deploy istio ? --id x",
    { exit: 2, code: "KUBECONFIG_MISSING", says: /no kubeconfig/u, hint: /--kubeconfig FILE, or set KUBECONFIG/u },
  ],
  [
    "none",
    undefined,
    "undeploy istio --id x",
    { exit: 2, code: "KUBECONFIG_MISSING", says: /no kubeconfig/u, hint: /--kubeconfig FILE, or set KUBECONFIG/u },
  ],
  [
    "none under the name given",
    undefined,
    "deploy istio ? --id x --kubeconfig nope",
    { exit: 2, code: "KUBECONFIG_MISSING", says: /nope does not exist/u, hint: false },
  ],
  [
    "that is no YAML",
    "{{{",
    "deploy istio ? --id x",
    { exit: 2, code: "KUBECONFIG_INVALID", says: /\.kube\/config is broken: it is not YAML/u, hint: false },
  ],
  [
    "that is something else",
    "hello: world",
    "deploy istio ? --id x",
    { exit: 2, code: "KUBE_CONTEXT_NOT_FOUND", says: /no current context/u },
  ],
  [
    "with other contexts",
    kubeconfig("http://127.0.0.1:1"),
    "deploy istio ? --id x --context prod",
    { exit: 2, code: "KUBE_CONTEXT_NOT_FOUND", says: /"prod"/u, hint: /test/u },
  ],
  [
    "of a cluster that is not there",
    kubeconfig("https://127.0.0.1:1"),
    "deploy istio ? --id x",
    { exit: 5, code: "KUBE_UNREACHABLE", says: /127\.0\.0\.1:1/u },
  ],
  [
    "of a cluster that is not there",
    kubeconfig("https://127.0.0.1:1"),
    "undeploy istio --id x",
    { exit: 5, code: "KUBE_UNREACHABLE", says: /127\.0\.0\.1:1/u },
  ],
];

describe("a kubeconfig", () => {
  it.each(KUBECONFIGS)("%s: $2", async (_what, content, line, refusal) => {
    const home = tempDir();
    if (content !== undefined) {
      mkdirSync(join(home, ".kube"));
      writeFileSync(join(home, ".kube/config"), content);
    }
    expect(await runRefused(words(line), { home }, refusal)).toMatchObject({ code: refusal.code });
  });
});

/** A Deployment, and what is wrong with it or with the request; `NS` is its namespace, `?` the image. */
const REQUESTS: readonly (readonly [string, string, Refusal])[] = [
  [
    "no workload has the labels",
    "deploy istio ? --id x -n NS -l app=nope",
    { exit: 3, code: "WORKLOAD_NOT_FOUND", says: /no Deployment in namespace "NS" has .*app=nope/u, hint: /kubectl/u },
  ],
  [
    "no workload of the kind",
    "deploy istio ? --id x -n NS -t daemonset",
    { exit: 3, code: "WORKLOAD_NOT_FOUND", says: /DaemonSet in namespace "NS"/u, hint: /kubectl/u },
  ],
  [
    "no such namespace",
    "deploy istio ? --id x -n NS-nope",
    { exit: 3, code: "NAMESPACE_NOT_FOUND", says: /no namespace "NS-nope"/u, hint: /kubectl get namespaces/u },
  ],
  [
    "no such namespace to take something from",
    "undeploy istio --id x -n NS-nope",
    { exit: 3, code: "FILTER_NOT_DEPLOYED", says: /"x" is not on any Deployment in namespace "NS-nope"/u },
  ],
  [
    "nothing deployed under the id",
    "undeploy istio --id x -n NS",
    { exit: 3, code: "FILTER_NOT_DEPLOYED", says: /x/u },
  ],
  [
    "an annotation that is not JSON",
    "deploy istio ? --id x -n NS -l app=broken --via envoyfilter",
    {
      exit: 2,
      code: "ANNOTATION_INVALID",
      says: /sidecar\.istio\.io\/userVolume.*broken|broken.*sidecar\.istio\.io\/userVolume/u,
    },
  ],
  [
    "a config WasmPlugin cannot take",
    "deploy istio ? --id x -n NS --via wasmplugin --config hello",
    { exit: 2, code: "VIA_UNSUITABLE", says: /JSON object/u, hint: /--via envoyfilter/u },
  ],
  [
    "a phase EnvoyFilter does not know",
    "deploy istio ? --id x -n NS --via envoyfilter --phase authn",
    { exit: 2, code: "VIA_UNSUITABLE", says: /--phase/u, hint: /leave --phase out/u },
  ],
  [
    "an image nobody has",
    "deploy istio HUB/team/nope:v1 --id x -n NS",
    { exit: 3, code: "IMAGE_NOT_FOUND", says: /team\/nope:v1/u },
  ],
  [
    "a registry that is not there",
    "deploy istio localhost:1/a:v1 --id x -n NS",
    { exit: 5, code: "REGISTRY_UNREACHABLE", says: /localhost:1/u },
  ],
];

describe("a real cluster", () => {
  it.for(REQUESTS)("%s: wasme %s", async ([, line, refusal], context) => {
    const { cluster, namespace } = await shop(context);
    const says = new RegExp((refusal.says as RegExp).source.replaceAll("NS", namespace), "u");
    const setting = { home: tempDir(), env: { KUBECONFIG: cluster.kubeconfigPath } };
    const before = await objects(cluster, namespace);
    const error = await runRefused(words(line.replaceAll("NS", namespace)), setting, { ...refusal, says });
    expect(error.code).toBe(refusal.code);
    expect(await objects(cluster, namespace)).toEqual(before);
  });

  it("names verb and resource of what is not allowed", async (context) => {
    const { cluster, namespace } = await shop(context);
    const mayRead = { apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", "watch"] };
    for (const [rules, missing] of [
      [[{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }], /list .*deployments/u],
      [[mayRead], /\b(?:patch|create)\b .*(?:wasmplugins|trafficextensions|envoyfilters|deployments)/u],
    ] as const) {
      const setting = { home: tempDir(), env: { KUBECONFIG: await cluster.tokenFor(rules, namespace) } };
      const before = await objects(cluster, namespace);
      const refusal = { exit: 4, code: "KUBE_FORBIDDEN", says: missing };
      expect(
        await runRefused(words(`deploy istio ? --id x -l app=web -n ${namespace}`), setting, refusal),
      ).toBeDefined();
      expect(await objects(cluster, namespace)).toEqual(before);
    }
  });

  it("a token nobody knows", async (context) => {
    const { cluster, namespace } = await shop(context);
    const home = tempDir();
    mkdirSync(join(home, ".kube"));
    writeFileSync(join(home, ".kube/config"), kubeconfig(cluster.server, "wrong-token"));
    const refusal = { exit: 4, code: "KUBE_UNAUTHORISED", says: new RegExp(new URL(cluster.server).host, "u") };
    const error = await runRefused(words(`deploy istio ? --id x -n ${namespace}`), { home }, refusal);
    expect(JSON.stringify(error)).not.toContain("wrong-token");
  });
});

it("a cluster without Istio", { timeout: 120_000 }, async (context) => {
  const cluster = await need(context, "cluster", () => startCluster({ crds: "none", nodes: 1 }));
  try {
    const namespace = await cluster.namespace();
    await cluster.apply(deployment("web"), namespace);
    const setting = { home: tempDir(), env: { KUBECONFIG: cluster.kubeconfigPath } };
    const line = `deploy istio ? --id x -n ${namespace}`;
    const none = { exit: 7, code: "ISTIO_NOT_INSTALLED", says: /Istio/u };
    await runRefused(words(line), setting, none);
    const explicit = { exit: 7, code: "KUBE_KIND_NOT_SERVED", says: /WasmPlugin/u };
    await runRefused(words(`${line} --via wasmplugin`), setting, explicit);
    expect((await cluster.request("GET", "/api/v1/namespaces/wasme")).status).toBe(404);
  } finally {
    await cluster.stop();
  }
});

function words(line: string): string[] {
  return line.replace("?", image).replace("HUB", hub.host).split(" ");
}

/** A namespace with a sound Deployment `web` and one, `broken`, whose annotation is not JSON. */
async function shop(context: TestContext): Promise<{ cluster: ClusterClient; namespace: string }> {
  const cluster = await need(context, "cluster", sharedCluster);
  const namespace = await cluster.namespace("bad-input");
  await cluster.apply([deployment("web"), deployment("broken", { "sidecar.istio.io/userVolume": "{oops" })], namespace);
  return { cluster, namespace };
}

function deployment(name: string, annotations: Record<string, string> = {}): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations },
        spec: { containers: [{ name: "app", image: "example.com/app:v1" }] },
      },
    },
  };
}

/** Whatever wasme could have made or changed, by name and generation. */
async function objects(cluster: ClusterClient, namespace: string): Promise<readonly string[]> {
  const paths = [
    `/apis/apps/v1/namespaces/${namespace}/deployments`,
    `/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/envoyfilters`,
    `/apis/extensions.istio.io/v1alpha1/namespaces/${namespace}/wasmplugins`,
    `/apis/extensions.istio.io/v1alpha1/namespaces/${namespace}/trafficextensions`,
    `/api/v1/namespaces/${namespace}/configmaps`,
  ];
  const lists = await Promise.all(paths.map(async (path) => await cluster.request<List>("GET", path)));
  return lists.flatMap(({ body }) =>
    (body.items ?? []).map(({ metadata }) => `${metadata.name} ${metadata.generation ?? ""}`),
  );
}

interface List {
  readonly items?: readonly { readonly metadata: { readonly name: string; readonly generation?: number } }[];
}

function kubeconfig(server: string, token = "t"): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server, "insecure-skip-tls-verify": server.startsWith("https:") } }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}
