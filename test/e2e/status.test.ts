import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClusterClient } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { workload } from "../integration/deploy-support.ts";

const cluster = await component("cluster", sharedCluster);
const SIDECAR = { "sidecar.istio.io/status": "{}" };

describe.skipIf("skip" in cluster)("wasme status, as it is typed", () => {
  const home = makeTempDir();
  let hub: HubServer;
  let client: ClusterClient;
  let namespace: string;
  const wasme = (...args: string[]): Promise<CliResult> =>
    runCli(args, { home, env: { KUBECONFIG: client.kubeconfigPath } });

  beforeAll(async () => {
    if (!("ready" in cluster)) return;
    client = cluster.ready;
    hub = await startHub();
    namespace = await client.namespace("status-cli");
    const image = `${hub.host}/team/hello:v1`;
    await client.apply([
      workload(namespace, { name: "web", annotations: SIDECAR }),
      workload(namespace, { name: "a-workload-with-quite-a-long-name-for-a-table" }),
    ]);
    for (const args of [
      ["build", "precompiled", HELLO_WASM, "-t", image],
      ["push", image],
      ["deploy", "istio", image, "--id", "hello", "-n", namespace, "--via", "wasmplugin", "--delivery", "registry"],
    ]) {
      const { code, stderr } = await wasme(...args);
      if (code !== 0) throw new Error(stderr);
    }
  }, 120_000);
  afterAll(async () => await hub?.close());

  it("exits 0 when all is on, 1 when something is not, 3 for a filter that is not there", async () => {
    const on = await wasme("status", "--id", "hello", "-n", namespace, "-l", "app=web", "--watch");
    expect(on.code, on.stdout + on.stderr).toBe(0);
    expect(on.stdout).toContain(`hello on deployment/web in ${namespace}`);
    expect(on.stdout).toMatch(/✓ sidecars +2\/2 pods have a proxy/u);
    expect(on.stderr).toContain(`hello on deployment/web in ${namespace}: on`);
    const off = await wasme("status", "-n", namespace);
    expect(off).toMatchObject({ code: 1, stderr: "" });
    expect(off.stdout).toMatch(/^FILTER +WORKLOAD +DELIVERY +MODULE +NODES +STATE$/mu);
    expect(off.stdout).toMatch(/^hello +deployment\/a-workload-.* registry +[0-9a-f]{8} +- +off: sidecars$/mu);
    expect(off.stdout).toMatch(/fix: kubectl label namespace/u);
    const none = await wasme("status", "--id", "helo", "-n", namespace);
    expect(none).toMatchObject({ code: 3, stdout: "" });
    expect(none.stderr).toContain("Hint: did you mean --id hello?");
    const late = await wasme("status", "-n", namespace, "--watch", "--timeout", "0s");
    expect(late.code).toBe(1);
  }, 120_000);

  it("prints one document, or names, or a table of at most 80 columns", async () => {
    const { code, stdout } = await wasme("status", "-n", namespace, "-o", "json");
    expect(code).toBe(1);
    const result = JSON.parse(stdout) as { filters: { state: string; steps: unknown[] }[] };
    expect(result).toMatchObject({ kind: "StatusResult", version: 1, namespace, allOn: false, notes: [] });
    expect(result.filters.map(({ state }) => state)).toEqual(["off", "on"]);
    expect((await wasme("status", "-n", namespace, "-q")).stdout.trim().split("\n")).toEqual([
      `${namespace}/hello/deployment/a-workload-with-quite-a-long-name-for-a-table`,
      `${namespace}/hello/deployment/web`,
    ]);
    const empty = await client.namespace("status-none");
    expect(await wasme("status", "-n", empty)).toMatchObject({
      code: 0,
      stdout: `no filter is deployed in namespace ${empty}\n`,
    });
    expect(await wasme("status", "-A", "-n", empty)).toMatchObject({ code: 2 });
  }, 120_000);
});
