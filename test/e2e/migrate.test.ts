import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { oldWasme } from "../support/old-wasme.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const cluster = await component("cluster", sharedCluster);
const home = makeTempDir("wasme-migrate-");

describe.skipIf("skip" in cluster)("wasme migrate", () => {
  let hub: HubServer;
  let namespace = "";
  beforeAll(async () => {
    if (!("ready" in cluster)) return;
    hub = await startHub();
    const image = `${hub.host}/demo/hello:v1`;
    await runCli(["build", "precompiled", HELLO_WASM, "-t", image], { home });
    await runCli(["push", image], { home });
    namespace = await cluster.ready.namespace("migrate");
    await cluster.ready.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ${namespace}, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
`);
    const old = oldWasme(cluster.ready, { namespace, cacheNamespace: `${namespace}-cache` });
    const module = createHash("sha256").update(readFileSync(HELLO_WASM)).digest("hex");
    await old.installCache();
    await old.deploy({ id: "hello", image, module, rootId: "", workload: { name: "web" } });
  }, 120_000);
  afterAll(async () => await hub.close());

  const run = (...args: readonly string[]): Promise<CliResult> => {
    const kubeconfig = "ready" in cluster ? cluster.ready.kubeconfigPath : "";
    const where = ["-n", namespace, "--kubeconfig", kubeconfig, "--cache-namespace", `${namespace}-cache`];
    return runCli(["migrate", ...where, "--via", "wasmplugin", "--delivery", "registry", ...args], { home });
  };

  it("shows the plan and the difference, prints objects, asks, migrates, and has nothing left to do", async () => {
    const dry = await run("--dry-run");
    expect(dry.code).toBe(0);
    expect(dry.stderr).toContain(`delete EnvoyFilter ${namespace}/web-hello`);
    expect(dry.stdout).toContain(`+++ new WasmPlugin ${namespace}/web-hello`);

    const printed = await run("--dry-run=client");
    const kinds = parseAllDocuments(printed.stdout).map((document) => String(document.get("kind")));
    expect(kinds).toEqual(["WasmPlugin"]);

    const refused = await run();
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("pass --yes");

    const done = await run("--yes", "-o", "json");
    expect(JSON.parse(done.stdout)).toMatchObject({
      kind: "MigrateResult",
      version: 1,
      mode: "applied",
      namespace,
      filters: [{ id: "hello", via: "wasmplugin", workload: { kind: "Deployment", name: "web" } }],
    });

    expect(await run()).toMatchObject({ code: 0, stdout: "Nothing to migrate\n" });
  });
});
