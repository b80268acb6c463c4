import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fileURLToPath } from "node:url";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { startCluster } from "../cluster/cluster.ts";
import { type PodPrograms, startPodPrograms } from "../cluster/pod-programs.ts";
import { envoyPath, startEnvoy } from "../components/envoy.ts";
import { rawRequest } from "../components/raw-http.ts";
import { startRegistry } from "../components/registry.ts";
import { registryPath } from "../components/registry-kinds.ts";
import { need } from "../components/require-component.ts";
import { waitFor } from "../components/wait.ts";
import { skopeo, skopeoPath } from "../components/skopeo.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

interface EnvoyFilter {
  readonly spec: {
    readonly workloadSelector: { readonly labels: Record<string, string> };
    readonly configPatches: readonly { readonly patch: { readonly operation: string; readonly value: object } }[];
  };
}

/** The author's own volume: deploying must keep it, undeploying must give it back to the letter. */
const OWN_VOLUME = '[{"name":"mine","emptyDir":{}}]';

it(
  "init, build, tag, push, pull elsewhere, deploy, run, undeploy: on real parts",
  { timeout: 300_000 },
  async (context) => {
    const cluster = await need(context, "cluster", () => startCluster({ realPrograms: ["wasme-cache"] }));
    context.onTestFinished(() => cluster.stop());
    await need(context, "envoy", envoyPath);
    await need(context, "registry", registryPath);
    await need(context, "skopeo", skopeoPath);
    const [laptop, other] = [join(tempDir(), "laptop"), join(tempDir(), "other")];
    for (const home of [laptop, other]) mkdirSync(home, { recursive: true });
    const registry = await startRegistry({ auth: "htpasswd" });
    context.onTestFinished(() => registry.stop());
    const user = registry.user ?? { username: "", password: "" };
    const image = `${registry.host}/shop/hello:v1`;

    // The author's laptop.
    await run(["init", "hello", "--language", "assemblyscript"], laptop);
    await run(["build", "./hello", "-t", "hello:v1"], laptop);
    await run(["tag", "hello:v1", image], laptop);
    const refused = await runCli(["push", image], { home: laptop });
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining(`wasme login ${registry.host}`) });
    await run(["login", registry.host, "-u", user.username, "--password-stdin"], laptop, { input: user.password });
    const pushed = await runJson(["push", image], laptop);

    // Another tool reads what was pushed, byte for byte.
    const raw = await skopeo([
      "inspect",
      "--raw",
      "--tls-verify=false",
      "--creds",
      `${user.username}:${user.password}`,
      `docker://${image}`,
    ]);
    expect(raw.code, raw.stderr).toBe(0);
    expect(JSON.parse(raw.stdout)).toMatchObject({
      layers: [{}, { mediaType: "application/vnd.module.wasm.content.layer.v1+wasm" }],
    });

    // Another machine, empty store.
    await run(["login", registry.host, "-u", user.username, "--password-stdin"], other, { input: user.password });
    const pulled = await runJson(["pull", image], other);
    expect(pulled).toMatchObject({ manifestDigest: pushed["manifestDigest"], moduleDigest: pushed["moduleDigest"] });

    // The mesh.
    const namespace = await cluster.namespace("shop");
    const cacheNamespace = `${namespace}-cache`;
    await cluster.apply(web(namespace));
    await cluster.eventually<{ status: { availableReplicas?: number } }>(
      deploymentPath(namespace),
      ({ status }) => status.availableReplicas === 2,
    );
    await cluster.apply(pullSecret(namespace, { host: registry.host, ...user }));
    const caches = await runCaches(cluster, cacheNamespace);
    context.onTestFinished(() => caches.stop());
    const before = await state(cluster, namespace, cacheNamespace);
    const target = ["--id", "hello", "-n", namespace, "-l", "app=web", "--kubeconfig", cluster.kubeconfigPath];
    const deploy = ["deploy", "istio", image, ...target, "--via", "envoyfilter"];
    deploy.push("--pull-secret", "registry", "--cache-namespace", cacheNamespace);

    const tried = await run([...deploy, "--dry-run=server"], other);
    expect(tried.stdout).toContain("+kind: EnvoyFilter");
    expect(await state(cluster, namespace, cacheNamespace)).toEqual(before);

    await run(deploy, other);
    const { body: filter } = await cluster.request<EnvoyFilter>("GET", filterPath(namespace));
    expect(filter.spec.workloadSelector.labels).toEqual({ app: "web", version: "v1" });
    expect(await templateAnnotations(cluster, namespace)).not.toEqual({ "sidecar.istio.io/userVolume": OWN_VOLUME });

    const again = await runJson(deploy, other);
    expect((again["outcomes"] as { outcome: string }[]).filter(({ outcome }) => outcome !== "unchanged")).toEqual([]);

    const [node] = caches.pods();
    await expectServes(filter, { directory: node?.directory ?? "", moduleDigest: String(pulled["moduleDigest"]) });

    await run(["undeploy", "istio", ...target], other);
    // The namespace of the cache was ours too; the server takes some seconds to empty and remove it.
    await expect
      .poll(async () => await namespaceStatus(cluster, cacheNamespace), { timeout: 60_000, interval: 500 })
      .toBe(404);
    expect(await state(cluster, namespace, cacheNamespace)).toEqual(before);
    expect((await runCli(["undeploy", "istio", ...target], { home: other })).code).toBe(3);
  },
);

/** Runs the filter as deployed: `patch.value` unchanged before the router, the module under the path it names. */
async function expectServes(
  filter: EnvoyFilter,
  { directory, moduleDigest }: { directory: string; moduleDigest: string },
): Promise<void> {
  const hex = moduleDigest.slice("sha256:".length);
  const root = tempDir();
  const patch = filter.spec.configPatches[0]?.patch;
  expect(patch?.operation).toBe("INSERT_BEFORE");
  // The directory prefix alone is rewritten: /var/lib/wasme belongs to nodes.
  const value = JSON.parse(JSON.stringify(patch?.value).replace('"/var/lib/wasme/', `"${root}/`)) as object;
  expect(JSON.stringify(value)).toContain(`${root}/${hex}.wasm`);
  copyFileSync(join(directory, `${hex}.wasm`), join(root, `${hex}.wasm`));
  const envoy = await startEnvoy({ config: bootstrap(value) });
  try {
    const { status, headers } = await rawRequest({ url: await envoy.listenerUrl("main") });
    expect({ status, hello: headers["hello"] }).toEqual({ status: 200, hello: "world" });
  } finally {
    await envoy.stop();
  }
}

/** Runs the real node cache for each pod of it; their nodes are folders here. */
function runCaches(cluster: ClusterClient, namespace: string): Promise<PodPrograms> {
  const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
  const program = [process.execPath, bin] as const;
  return startPodPrograms(cluster, { namespace, name: "wasme-cache", program, disks: tempDir() });
}

function pullSecret(
  namespace: string,
  { host, username, password }: { host: string; username: string; password: string },
): KubeObject {
  const auths = { [host]: { auth: Buffer.from(`${username}:${password}`).toString("base64") } };
  return {
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/dockerconfigjson",
    metadata: { name: "registry", namespace },
    stringData: { ".dockerconfigjson": JSON.stringify({ auths }) },
  };
}

function bootstrap(filter: object): object {
  const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.${name}`;
  const router = { name: "envoy.filters.http.router", typed_config: { "@type": type("http.router.v3.Router") } };
  const routes = [{ match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "ok" } } }];
  const manager = {
    "@type": type("network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: "ingress",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [filter, router],
  };
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  const filters = [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }];
  return { static_resources: { listeners: [{ name: "main", address, filter_chains: [{ filters }] }] } };
}

function web(namespace: string): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ${namespace}, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web, version: v1}
      annotations: {sidecar.istio.io/userVolume: '${OWN_VOLUME}'}
    spec: {containers: [{name: web, image: nginx}]}
`;
}

const deploymentPath = (namespace: string): string => `/apis/apps/v1/namespaces/${namespace}/deployments/web`;
const filterPath = (namespace: string): string =>
  `/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/envoyfilters/web-hello`;

async function namespaceStatus(cluster: ClusterClient, name: string): Promise<number> {
  return (await cluster.request("GET", `/api/v1/namespaces/${name}`)).status;
}

async function templateAnnotations(cluster: ClusterClient, namespace: string): Promise<unknown> {
  const { body } = await cluster.request<{ spec: { template: { metadata: { annotations?: object } } } }>(
    "GET",
    deploymentPath(namespace),
  );
  return body.spec.template.metadata.annotations;
}

/** Everything a deployment touches: names of objects in both namespaces, and the workload's template as it is. */
async function state(cluster: ClusterClient, namespace: string, cacheNamespace: string): Promise<unknown> {
  const names: string[] = [];
  const kinds = ["api/v1/configmaps", "api/v1/serviceaccounts", "apis/apps/v1/daemonsets", "apis/apps/v1/deployments"];
  const istio = ["envoyfilters", "wasmplugins", "trafficextensions"];
  const rbac = ["roles", "rolebindings"].map((kind) => `apis/rbac.authorization.k8s.io/v1/${kind}`);
  const groups = [
    ...kinds,
    ...rbac,
    `apis/networking.istio.io/v1alpha3/${istio[0]}`,
    ...istio.slice(1).map((kind) => `apis/extensions.istio.io/v1alpha1/${kind}`),
  ];
  for (const place of [namespace, cacheNamespace]) {
    for (const group of groups) {
      const at = group.lastIndexOf("/");
      const path = `/${group.slice(0, at)}/namespaces/${place}/${group.slice(at + 1)}`;
      const { status, body } = await waitFor(`${path} to be answered`, async () => {
        const answer = await cluster.request<{ items: { metadata: { name: string } }[] }>("GET", path);
        // The first request for a custom kind is told to come again.
        return answer.status === 429 ? undefined : answer;
      });
      expect(status, path).toBe(200);
      names.push(...body.items.map(({ metadata }) => `${place}/${group.slice(at + 1)}/${metadata.name}`));
    }
  }
  const { body } = await cluster.request<{ spec: object }>("GET", deploymentPath(namespace));
  return { names: names.toSorted(), spec: body.spec };
}

async function run(args: readonly string[], home: string, options: { input?: string } = {}): Promise<CliResult> {
  const result = await runCli(args, { home, ...options });
  expect(result.code, `wasme ${args.join(" ")}\n${result.stderr}`).toBe(0);
  return result;
}

async function runJson(args: readonly string[], home: string): Promise<Record<string, unknown>> {
  return JSON.parse((await run([...args, "-o", "json"], home)).stdout) as Record<string, unknown>;
}
