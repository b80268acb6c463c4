import { copyFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findDiscovered, parseProxyStats } from "../../src/deploy/status-proxy-stats.ts";
import { proxyState } from "../../src/deploy/status-proxies.ts";
import { digestOf } from "../../src/domain/digest.ts";
import type { KubeObject } from "../../src/kube/objects.ts";
import type { PodReader } from "../../src/kube/pod-reader.ts";
import { envoyPath, type RunningEnvoy, startEnvoy } from "../components/envoy.ts";
import { need } from "../components/require-component.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";

const MODULE = digestOf("module");
const NAME = "extensions.istio.io/wasmplugin/shop.web-hello";
const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const OBJECT: KubeObject = {
  apiVersion: "extensions.istio.io/v1alpha1",
  kind: "WasmPlugin",
  metadata: { name: "web-hello", namespace: "shop", annotations: { "wasme.io/module-digest": MODULE } },
};
const POD: KubeObject = { apiVersion: "v1", kind: "Pod", metadata: { name: "web-1", namespace: "shop" } };
const AGENT = `# HELP istio_agent_wasm_remote_fetch_count number of Wasm remote fetches and results
# TYPE istio_agent_wasm_remote_fetch_count counter
istio_agent_wasm_remote_fetch_count{result="success"} 1
istio_agent_wasm_remote_fetch_count{result="download_failure"} 3
istio_agent_wasm_config_conversion_count{result="no_remote_load"} 7
istio_agent_wasm_config_conversion_count{result="fetch_failure"} 2
istio_agent_wasm_cache_entries 1
`;

/** Envoy with one filter that it discovers from a file, as Istio's agent hands it one, under the name Istio gives it. */
async function withDiscovered(
  typed: (folder: string) => object,
  work: (envoy: RunningEnvoy) => Promise<void>,
): Promise<void> {
  const folder = tempDir();
  await copyFile(HELLO_WASM, join(folder, `${MODULE.slice(7)}.wasm`));
  const resource = {
    "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
    name: NAME,
    typed_config: typed(folder),
  };
  const discovered = join(folder, "ecds.json");
  await writeFile(discovered, JSON.stringify({ version_info: "1", resources: [resource] }));
  const source = { path_config_source: { path: discovered }, resource_api_version: "V3" };
  const envoy = await startEnvoy({ directory: folder, config: bootstrap(source) });
  try {
    await work(envoy);
  } finally {
    await envoy.stop();
  }
}

function bootstrap(source: object): object {
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "main",
    route_config: {},
    http_filters: [
      { name: NAME, config_discovery: { config_source: source, type_urls: [WASM, RBAC] } },
      {
        name: "router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: manager };
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  return {
    node: { id: "one", cluster: "test" },
    static_resources: { listeners: [{ name: "main", address, filter_chains: [{ filters: [filter] }] }] },
  };
}

function wasm(folder: string): object {
  const filename = join(folder, `${MODULE.slice(7)}.wasm`);
  return {
    "@type": WASM,
    config: { name: "hello", vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename } } } },
  };
}

/** A pod whose ports are these servers: the API server's way to pods of a real kubelet is not here. */
function podWith(ports: Readonly<Record<number, string | undefined>>): PodReader {
  return {
    get: async ({ port }, path) => {
      const base = ports[port];
      if (base === undefined) return { status: 503, text: "error trying to reach service: connection refused" };
      const response = await fetch(`${base}${path}`);
      return { status: response.status, text: await response.text() };
    },
  };
}

describe("what proxies say, from a real Envoy", () => {
  it("Envoy runs the filter: by its metrics alone, and by its own pages", async (context) => {
    await need(context, "envoy", envoyPath);
    await withDiscovered(wasm, async ({ adminUrl }) => {
      const page = await (await fetch(`${adminUrl}/stats/prometheus`)).text();
      // The main thread's and a worker's.
      expect(parseProxyStats(page).running).toBeGreaterThan(0);
      const byMetrics = await proxyState({}, podWith({ 15020: adminUrl }), { object: OBJECT, pod: POD });
      expect(byMetrics).toMatchObject({
        pod: "web-1",
        state: "ok",
        message: expect.stringMatching(/: \d+ running$/u) as string,
      });
      const byDump = await proxyState({}, podWith({ 15020: adminUrl, 15000: adminUrl }), { object: OBJECT, pod: POD });
      expect(byDump).toEqual({ pod: "web-1", state: "ok", message: `Envoy has ${MODULE}` });
      const dump = await (await fetch(`${adminUrl}/config_dump?resource=ecds_filters`)).text();
      expect(findDiscovered(dump, "shop.web-other")).toBeUndefined();
      expect(findDiscovered(dump, "eb-hello")).toBeUndefined();
    });
  });

  it("Envoy has the stand-in of a module that the agent could not fetch", async (context) => {
    await need(context, "envoy", envoyPath);
    await withDiscovered(
      () => ({ "@type": RBAC, rules: {} }),
      async ({ adminUrl }) => {
        const state = await proxyState({}, podWith({ 15000: adminUrl }), { object: OBJECT, pod: POD });
        expect(state).toMatchObject({
          state: "failed",
          message: expect.stringContaining("could not fetch the module") as string,
        });
        const page = await (await fetch(`${adminUrl}/stats/prometheus`)).text();
        // Envoy makes these counters with its first module.
        expect(parseProxyStats(page).running ?? 0).toBe(0);
      },
    );
  });

  it("reads what Istio's agent counts, beside Envoy's", async () => {
    const pages = [
      AGENT,
      `${AGENT}envoy_wasm_envoy_wasm_runtime_v8_active{} 2\n`,
      `${AGENT}envoy_wasm_envoy_wasm_runtime_v8_active{} 0\n`,
      `${AGENT.replaceAll(/^.*failure.*\n/gmu, "")}envoy_wasm_envoy_wasm_runtime_v8_active{} 2\n`,
      "# nothing\n",
    ];
    const states = [];
    for (const page of pages) {
      const server = createServer((_request, response) => response.end(page)).listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      states.push(await proxyState({}, podWith({ 15020: url }), { object: OBJECT, pod: POD }));
      server.close();
    }
    const since = "modules since the proxy started: 1 fetched; failed: 3 × download_failure, 2 × fetch_failure";
    const which = "whether this filter is among those that failed, they do not say";
    expect(states.map(({ state, message }) => [state, message])).toEqual([
      ["unknown", `${since}; ${which}`],
      ["unknown", `${since}; 2 running; ${which}`],
      ["failed", `${since}; 0 running`],
      ["ok", "modules since the proxy started: 1 fetched; 2 running"],
      ["unknown", "its metrics say nothing of modules"],
    ]);
  });

  it("takes no page for metrics that is something else", () => {
    expect(parseProxyStats("<html>envoy_wasm_x_active</html>\n\u0000\nname{ 1\n istio_agent_wasm_x 1")).toEqual({
      fetched: undefined,
      failures: new Map(),
      running: undefined,
    });
    expect(findDiscovered("<html>", "shop.web-hello")).toBeUndefined();
    expect(findDiscovered('{"configs":[null,{"ecds_filter":{"name":7}}]}', "shop.web-hello")).toBeUndefined();
  });

  it("tells a pod that does not answer", async () => {
    expect(await proxyState({}, podWith({}), { object: OBJECT, pod: POD })).toEqual({
      pod: "web-1",
      state: "unknown",
      message: "its port 15020 does not answer: status 503",
    });
  });
});
