import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { kubernetesVersion } from "../cluster/build.ts";
import { startCluster } from "../cluster/cluster.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { openBuildah } from "../components/buildah.ts";
import { envoyPath, envoyVersion, startEnvoy, validateEnvoy } from "../components/envoy.ts";
import { MissingComponent } from "../components/missing.ts";
import { node24Bin } from "../components/node24.mjs";
import { type RawResponse, rawRequest } from "../components/raw-http.ts";
import { type RegistryOptions, type RunningRegistry, startRegistry } from "../components/registry.ts";
import { componentOf, registryKinds } from "../components/registry-kinds.ts";
import { component, need } from "../components/require-component.ts";
import { runOk } from "../components/run.ts";
import { skopeo } from "../components/skopeo.ts";
import { alice, bob, reader, type RegistryUser } from "../components/users.ts";

/** The parts of Kubernetes objects that these tests look at. */
interface Workload {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly availableReplicas?: number;
    readonly numberReady?: number;
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly reason: string }[];
  };
}
interface Pods {
  readonly items: readonly {
    readonly status?: { readonly containerStatuses?: readonly { readonly state: { waiting?: { reason: string } } }[] };
  }[];
}
interface Status {
  readonly message: string;
  readonly reason: string;
}

function wasmPlugin(spec: object): object {
  return { apiVersion: "extensions.istio.io/v1alpha1", kind: "WasmPlugin", metadata: { name: "plugin" }, spec };
}

function waitingReason(pod: Pods["items"][number]): string | undefined {
  return pod.status?.containerStatuses?.[0]?.state.waiting?.reason;
}

function workload(kind: "Deployment" | "DaemonSet", annotations: Record<string, string> = {}, extra: object = {}) {
  const labels = { app: kind.toLowerCase() };
  const pod = { metadata: { labels, annotations }, spec: { containers: [{ name: "main", image: "example/app:1" }] } };
  const spec = { selector: { matchLabels: labels }, template: pod, ...extra };
  return { apiVersion: "apps/v1", kind, metadata: { name: labels.app }, spec };
}

describe("cluster", () => {
  test("is the Kubernetes it says it is", async (context) => {
    const cluster = await need(context, "cluster", sharedCluster);
    const version = await cluster.request<{ gitVersion: string }>("GET", "/version");
    expect(version.body.gitVersion).toBe(`v${kubernetesVersion}`);
  });

  test("brings Deployments and DaemonSets up and rolls them out", async (context) => {
    const cluster = await need(context, "cluster", sharedCluster);
    const namespace = await cluster.namespace();
    const deployment = `/apis/apps/v1/namespaces/${namespace}/deployments/deployment`;
    await cluster.apply([workload("Deployment", {}, { replicas: 2 }), workload("DaemonSet")], namespace);
    await cluster.eventually<Workload>(deployment, ({ status }) => status?.availableReplicas === 2);
    const daemonSet = `/apis/apps/v1/namespaces/${namespace}/daemonsets/daemonset`;
    await cluster.eventually<Workload>(daemonSet, ({ status }) => status?.numberReady === 2);

    const patch = { spec: { template: { metadata: { annotations: { "example.com/rev": "2" } } } } };
    await cluster.request("PATCH", deployment, patch, "application/merge-patch+json");
    const rolledOut = await cluster.eventually<Workload>(
      deployment,
      ({ metadata, status }) => status?.observedGeneration === metadata.generation && status.updatedReplicas === 2,
    );
    expect(rolledOut.metadata.generation).toBe(2);
  });

  test("holds pods back and fails them where an annotation says so", async (context) => {
    const cluster = await need(context, "cluster", sharedCluster);
    const namespace = await cluster.namespace();
    const held = workload("Deployment", { "wasme.test/hold": "" }, { progressDeadlineSeconds: 1 });
    const unpullable = workload("DaemonSet", { "wasme.test/fail": "ImagePullBackOff" });
    await cluster.apply([held, unpullable], namespace);
    const stuck = await cluster.eventually<Workload>(
      `/apis/apps/v1/namespaces/${namespace}/deployments/deployment`,
      ({ status }) => status?.conditions?.some(({ reason }) => reason === "ProgressDeadlineExceeded") ?? false,
    );
    expect(stuck.status?.availableReplicas).toBeUndefined();
    const failing = await cluster.eventually<Pods>(
      `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3Ddaemonset`,
      ({ items }) => items.length === 2 && items.every((pod) => waitingReason(pod) !== undefined),
    );
    expect(failing.items.map(waitingReason)).toEqual(["ImagePullBackOff", "ImagePullBackOff"]);
  });

  test("refuses Istio objects by the rules of their definitions", async (context) => {
    const cluster = await need(context, "cluster", sharedCluster);
    const namespace = await cluster.namespace();
    const path = (group: string, plural: string) => `/apis/${group}/namespaces/${namespace}/${plural}`;
    const plugins = path("extensions.istio.io/v1alpha1", "wasmplugins");
    const refused = await cluster.request<Status>("POST", plugins, wasmPlugin({ url: "ftp://x/y" }));
    expect(refused.status).toBe(422);
    expect(refused.body.message).toContain("url must have schema one of [http, https, file, oci]");
    const accepted = await cluster.request("POST", plugins, wasmPlugin({ url: "oci://x/y" }));
    expect(accepted.status).toBe(201);

    const filter = { apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata: { name: "f" } };
    const filters = path("networking.istio.io/v1alpha3", "envoyfilters");
    const strict = await cluster.request<Status>("POST", `${filters}?fieldValidation=Strict`, {
      ...filter,
      spec: { configPatchez: [] },
    });
    expect(strict).toMatchObject({ status: 400 });
    expect(strict.body.message).toContain('unknown field "spec.configPatchez"');
    const extension = await cluster.request<Status>("POST", path("extensions.istio.io/v1alpha1", "trafficextensions"), {
      apiVersion: "extensions.istio.io/v1alpha1",
      kind: "TrafficExtension",
      metadata: { name: "t" },
      spec: {},
    });
    expect(extension.body.message).toContain("exactly one of wasm or lua must be set");
  });

  test("gives a limited user exactly the rights that were named", async (context) => {
    const cluster = await need(context, "cluster", sharedCluster);
    const namespace = await cluster.namespace();
    const rules = [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["list"] }];
    const clusterRules = [{ apiGroups: [""], resources: ["nodes"], verbs: ["list"] }];
    const kubeconfig = await cluster.tokenFor(rules, namespace, { clusterRules });
    const { KubeConfig, AppsV1Api, CoreV1Api } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const apps = config.makeApiClient(AppsV1Api);
    await expect(apps.listNamespacedDeployment({ namespace })).resolves.toMatchObject({ items: [] });
    await expect(apps.listNamespacedDaemonSet({ namespace })).rejects.toMatchObject({ code: 403 });
    await expect(apps.listNamespacedDeployment({ namespace: "default" })).rejects.toMatchObject({ code: 403 });
    const nodes = await config.makeApiClient(CoreV1Api).listNode();
    expect(nodes.items.map(({ metadata }) => metadata?.name)).toEqual(["node-1", "node-2"]);
  });

  test("can be started a second time without Istio's kinds, and goes away when stopped", async (context) => {
    await need(context, "cluster", sharedCluster);
    const second = await startCluster({ crds: ["EnvoyFilter"], nodes: 0 });
    onTestFinished(() => second.stop());
    const plugins = await second.request("GET", "/apis/extensions.istio.io/v1alpha1/wasmplugins");
    expect(plugins.status).toBe(404);
    const filters = await second.request("GET", "/apis/networking.istio.io/v1alpha3/envoyfilters");
    expect(filters.status).toBe(200);
    await second.stop();
    await expect(second.request("GET", "/readyz")).rejects.toThrow("ECONNREFUSED");
  });
});

describe("envoy", () => {
  const bootstrap = (port = 0) => ({
    static_resources: {
      listeners: [
        {
          name: "main",
          address: { socket_address: { address: "127.0.0.1", port_value: port } },
          filter_chains: [{ filters: [connectionManager] }],
        },
      ],
    },
  });
  const connectionManager = {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      stat_prefix: "main",
      route_config: {
        virtual_hosts: [
          {
            name: "all",
            domains: ["*"],
            routes: [{ match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "hi" } } }],
          },
        ],
      },
      http_filters: [
        {
          name: "envoy.filters.http.router",
          typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        },
      ],
    },
  };

  test("is the release the tests ask for, unless ENVOY_PATH names another", async (context) => {
    const path = await need(context, "envoy", envoyPath);
    const given = process.env["ENVOY_PATH"];
    const expected = given === undefined ? `/${envoyVersion}/` : "envoy";
    expect((await runOk(path, ["--version"])).stdout).toContain(expected);
  });

  test("serves what its bootstrap says, on ports of its own choice, twice at once", async (context) => {
    const [first, second] = await need(context, "envoy", () =>
      Promise.all([startEnvoy({ config: bootstrap() }), startEnvoy({ config: JSON.stringify(bootstrap()) })]),
    );
    onTestFinished(async () => void (await Promise.all([first.stop(), second.stop()])));
    for (const envoy of [first, second]) {
      const answer = await rawRequest({ url: await envoy.listenerUrl("main") });
      expect([answer.status, answer.text]).toEqual([200, "hi"]);
    }
    expect(first.adminUrl).not.toBe(second.adminUrl);
    await expect(first.listenerUrl("other")).rejects.toThrow('no listener "other", only: main');
  });

  test("says why it refuses a bootstrap", async (context) => {
    const validated = await need(context, "envoy", () => validateEnvoy({ config: { static_resourcez: {} } }));
    expect(validated.code).toBe(1);
    expect(validated.log).toContain("static_resourcez");
    await expect(startEnvoy({ config: { static_resourcez: {} } })).rejects.toThrow("static_resourcez");
    await expect(validateEnvoy({ config: bootstrap() })).resolves.toMatchObject({ code: 0 });
  });
});

/** One request to a registry, trusting its authority. */
function ask(registry: RunningRegistry, path: string, rest: object = {}): Promise<RawResponse> {
  const ca = registry.ca === undefined ? {} : { ca: registry.ca };
  return rawRequest({ url: registry.url + path, ...ca, ...rest });
}

function basic({ username, password }: RegistryUser): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}

async function open(options: RegistryOptions): Promise<RunningRegistry> {
  const registry = await startRegistry(options);
  onTestFinished(() => registry.stop());
  return registry;
}

describe("registry", () => {
  test("stores a blob and gives it back", async (context) => {
    const registry = await need(context, "registry", () => open({}));
    const bytes = randomBytes(1000);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const session = await ask(registry, "/v2/demo/app/blobs/uploads/", { method: "POST" });
    expect(session.status).toBe(202);
    const location = new URL(session.headers.location ?? "", registry.url);
    location.searchParams.set("digest", digest);
    const put = await rawRequest({ url: location.href, method: "PUT", body: bytes });
    expect(put.status).toBe(201);
    const got = await ask(registry, `/v2/demo/app/blobs/${digest}`);
    expect(got.body.equals(bytes)).toBe(true);
  });

  test("with htpasswd asks for Basic and knows its users", async (context) => {
    const registry = await need(context, "registry", () => open({ auth: "htpasswd" }));
    const refused = await ask(registry, "/v2/");
    expect([refused.status, refused.headers["www-authenticate"]]).toEqual([401, 'Basic realm="wasme test"']);
    for (const user of [alice, bob]) expect((await ask(registry, "/v2/", { headers: basic(user) })).status).toBe(200);
    const wrong = basic({ ...alice, password: "wrong" });
    expect((await ask(registry, "/v2/", { headers: wrong })).status).toBe(401);
  });

  test.for(registryKinds)(
    "%s takes no setting from the environment and leaves nothing behind",
    async (kind, context) => {
      // Each would stop distribution: it takes them for settings of its own.
      for (const [name, value] of [
        ["REGISTRY_AUTH_FILE", "/none"] as const,
        ["REGISTRY_HTTP_ADDR", "nowhere"] as const,
      ]) {
        const before = process.env[name];
        process.env[name] = value;
        onTestFinished(() => {
          if (before === undefined) delete process.env[name];
          else process.env[name] = before;
        });
      }
      const registry = await need(context, componentOf[kind], () => open({ kind }));
      expect([registry.kind, (await ask(registry, "/v2/")).status]).toEqual([kind, 200]);
      await registry.stop();
      await expect(ask(registry, "/v2/")).rejects.toThrow("ECONNREFUSED");
      expect(existsSync(registry.dataDirectory)).toBe(false);
    },
  );

  test("with TLS is trusted by its own authority only", async (context) => {
    const registry = await need(context, "registry", () => open({ tls: true }));
    expect(registry.url).toMatch(/^https:\/\/127\.0\.0\.2:\d+$/);
    expect((await ask(registry, "/v2/")).status).toBe(200);
    await expect(rawRequest({ url: `${registry.url}/v2/` })).rejects.toThrow("unable to verify");
  });

  test.for([false, true])(
    "with token authentication takes the token server's tokens (TLS: %s)",
    async (tls, context) => {
      const registry = await need(context, "registry", () => open({ auth: "token", tls }));
      const { tokens } = registry;
      if (tokens === undefined) throw new Error("no token server");
      const path = "/v2/demo/app/blobs/uploads/";
      const refused = await ask(registry, path, { method: "POST" });
      expect(refused.status).toBe(401);
      // Debian's registry names the two actions in either order.
      const start = `Bearer realm="${tokens.realm}",service="${tokens.service}",scope="repository:demo/app:`;
      const orders = [`${start}pull,push"`, `${start}push,pull"`];
      expect(orders).toContain(refused.headers["www-authenticate"]);
      const scope = "repository:demo/app:pull,push";
      const query = new URLSearchParams({ service: tokens.service, scope });
      const get = (user?: RegistryUser) =>
        rawRequest({
          url: `${tokens.realm}?${query.toString()}`,
          ...(registry.ca === undefined ? {} : { ca: registry.ca }),
          ...(user === undefined ? {} : { headers: basic(user) }),
        });
      const upload = (token: string) =>
        ask(registry, path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
      const issued = JSON.parse((await get(alice)).text) as { token: string; expires_in: number };
      expect(issued.expires_in).toBe(60);
      expect((await upload(issued.token)).status).toBe(202);
      const { token: pullOnly } = JSON.parse((await get(reader)).text) as { token: string };
      expect((await upload(pullOnly)).status).toBe(401);
      expect((await get()).status).toBe(401);
      expect((await get({ ...alice, password: "wrong" })).status).toBe(401);
      expect(tokens.requests.map(({ user, status }) => [user, status])).toEqual([
        ["alice", 200],
        ["reader", 200],
        [undefined, 401],
        [undefined, 401],
      ]);
    },
  );

  test("its token server takes refresh tokens, and can refuse POST and rename the field", async (context) => {
    const { tokens } = await need(context, "registry", () => open({ auth: "token" }));
    if (tokens === undefined) throw new Error("no token server");
    const post = (refresh: string) =>
      rawRequest({
        url: tokens.realm,
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({
          grant_type: "refresh_token",
          refresh_token: refresh,
          service: tokens.service,
        }).toString(),
      });
    const refresh = tokens.refreshToken(alice);
    expect((await post(refresh)).status).toBe(200);
    expect((await post("wrong")).status).toBe(401);
    tokens.behave({ field: "access_token", ttlSeconds: 5 });
    expect(JSON.parse((await post(refresh)).text)).toMatchObject({ access_token: expect.any(String), expires_in: 5 });
    tokens.behave({ rejectPost: true });
    expect((await post(refresh)).status).toBe(405);
  });
});

describe("registry clients", () => {
  let files: string;
  beforeAll(async () => {
    files = await mkdtemp(join(tmpdir(), "wasme-client-"));
    await writeFile(join(files, "plugin.wasm"), "not really");
  });
  afterAll(() => rm(files, { recursive: true, force: true }));

  test("buildah pushes an image from scratch, and skopeo reads it over TLS with a password", async (context) => {
    const registry = await need(context, "registry", () => open({ auth: "htpasswd", tls: true }));
    const buildah = await need(context, "buildah", openBuildah);
    onTestFinished(() => buildah.remove());
    const trust = ["--cert-dir", dirname(registry.caFile ?? "")];
    const creds = `${alice.username}:${alice.password}`;
    const reference = `${registry.host}/demo/scratch:v1`;
    const image = { reference, files: [join(files, "plugin.wasm")], pushOptions: [...trust, "--creds", creds] };
    await buildah.pushScratchImage({ ...image, annotations: { "module.wasm.image/variant": "compat" } });

    const inspect = ["inspect", "--raw", ...trust, "--creds", creds, `docker://${reference}`];
    const seen = await need(context, "skopeo", () => skopeo(inspect));
    expect(seen.stderr).toBe("");
    expect(JSON.parse(seen.stdout)).toMatchObject({
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }],
      annotations: { "module.wasm.image/variant": "compat" },
    });
    const denied = await skopeo(["inspect", "--raw", ...trust, "--no-creds", `docker://${reference}`]);
    expect([denied.code, denied.stderr]).toEqual([1, expect.stringContaining("unauthorized")]);
  });

  test("skopeo gets through token authentication", async (context) => {
    const registry = await need(context, "registry", () => open({ auth: "token" }));
    const buildah = await need(context, "buildah", openBuildah);
    onTestFinished(() => buildah.remove());
    const insecure = ["--tls-verify=false", "--creds", `${bob.username}:${bob.password}`];
    const reference = `${registry.host}/demo/scratch:v2`;
    const image = { reference, files: [join(files, "plugin.wasm")], pushOptions: insecure };
    await buildah.pushScratchImage({ ...image, format: "v2s2" });
    const seen = await need(context, "skopeo", () =>
      skopeo(["inspect", "--raw", ...insecure, `docker://${reference}`]),
    );
    expect(JSON.parse(seen.stdout)).toMatchObject({
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    });
  });
});

test("a current Node runs from its npm package", async () => {
  const bin = await node24Bin();
  expect((await runOk(join(bin, "node"), ["--version"])).stdout).toMatch(/^v24\./);
});

const missing = (): Promise<never> => Promise.reject(new MissingComponent("thing", "no such package"));

describe("a missing component", () => {
  test("is thrown in CI and a reason to skip elsewhere", async () => {
    const before = process.env["CI"];
    onTestFinished(() => {
      if (before === undefined) delete process.env["CI"];
      else process.env["CI"] = before;
    });
    process.env["CI"] = "true";
    await expect(component("thing", missing)).rejects.toThrow("thing is missing: no such package");
    delete process.env["CI"];
    await expect(component("thing", missing)).resolves.toEqual({ skip: "thing is missing: no such package" });
    await expect(component("thing", () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  });
});
