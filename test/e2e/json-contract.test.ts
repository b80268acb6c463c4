import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfigSchema } from "../../src/domain/config-schema.ts";
import { ignoreEvents } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { storeModule } from "../../src/images/store-module.ts";
import { openStore } from "../../src/store/image-store.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { fakeProgram } from "../support/fake-program.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { writeLegacyImage } from "../support/legacy-store.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { oldWasme } from "../support/old-wasme.ts";
import { type CliOptions, runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const PAGE = join(import.meta.dirname, "../../docs/reference/json.md");
const home = makeTempDir("wasme-json-");
const cluster = await component("cluster", sharedCluster);
const seen = new Map<string, { command: string; value: unknown }>();
let hub: HubServer;

/** Runs a command under `-o json`; `shown` is how the page names it. */
async function record(
  shown: string,
  args: readonly string[],
  { input = "", env = {} }: Pick<CliOptions, "input" | "env"> = {},
): Promise<void> {
  const { code, stdout, stderr } = await runCli([...args, "-o", "json"], { home, input, env });
  if (code !== 0) throw new Error(`wasme ${args.join(" ")}\n${stderr}`);
  const value = JSON.parse(stdout) as { kind: string };
  seen.set(value.kind, { command: shown, value });
}

beforeAll(async () => {
  hub = await startHub();
  const image = `${hub.host}/demo/hello:v1`;
  await record("wasme init --list", ["init", "--list"]);
  await record("wasme init hello --language assemblyscript", ["init", "hello", "--language", "assemblyscript"]);
  await record("wasme build precompiled hello.wasm -t localhost:5000/demo/hello:v1", [
    "build",
    "precompiled",
    HELLO_WASM,
    "-t",
    image,
  ]);
  await record("wasme list", ["list"]);
  await record("wasme tag localhost:5000/demo/hello:v1 hello:v1", ["tag", image, "hello:v1"]);
  await record("wasme convert hello:v1 hello:compat --format compat", [
    "convert",
    "hello:v1",
    "hello:compat",
    "--format",
    "compat",
  ]);
  await record("wasme rm hello:v1", ["rm", "hello:v1"]);
  await storeBuilt(`${hub.host}/demo/greeter:v1`);
  await record("wasme inspect localhost:5000/demo/greeter:v1", ["inspect", `${hub.host}/demo/greeter:v1`]);
  await record("wasme check localhost:5000/demo/hello:v1", ["check", image]);
  await fakeProgram(join(home, "bin"), "npm", "echo 10.8.2");
  // What else this machine has must not decide what is shown.
  await record("wasme doctor assemblyscript", ["doctor", "assemblyscript"], { env: { PATH: join(home, "bin") } });
  writeFileSync(join(home, "hello.test.yaml"), HELLO_TESTS);
  await record("wasme test hello.test.yaml --module hello.wasm", ["test", "hello.test.yaml", "--module", HELLO_WASM]);
  await record("wasme push localhost:5000/demo/hello:v1", ["push", image]);
  await record("wasme list --published -s localhost:5000", ["list", "--published", "-s", hub.host]);
  await record("wasme pull localhost:5000/demo/hello:v1", ["pull", image]);
  await record("wasme save localhost:5000/demo/hello:v1 -f hello.tar", ["save", image, "-f", "hello.tar"]);
  await record("wasme load -f hello.tar", ["load", "-f", "hello.tar"]);
  writeLegacyImage(join(home, ".wasme/store"), "docker.io/library/old:v1", {
    module: readFileSync(HELLO_WASM),
    config: "{}",
  });
  await record("wasme store migrate", ["store", "migrate"]);
  await record("wasme store verify", ["store", "verify"]);
  await record("wasme store prune --dry-run", ["store", "prune", "--dry-run"]);
  await record("wasme store path", ["store", "path"]);
  const gone = `${hub.host}/demo/old:v1`;
  for (const args of [
    ["tag", image, gone],
    ["push", gone],
  ])
    await runCli(args, { home });
  await record("wasme rm --remote -y localhost:5000/demo/old:v1", ["rm", "--remote", "-y", gone]);
  await record(
    "wasme login localhost:5000 -u me --password-stdin",
    ["login", hub.host, "-u", "me", "--password-stdin"],
    { input: "secret" },
  );
  await record("wasme logout localhost:5000", ["logout", hub.host]);
  await record("wasme deploy envoy localhost:5000/demo/hello:v1 --out envoy.yaml", [
    "deploy",
    "envoy",
    image,
    "--out",
    "envoy.yaml",
  ]);
  if (!("ready" in cluster)) return;
  const namespace = await cluster.ready.namespace("json");
  await cluster.ready.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ${namespace}, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {sidecar.istio.io/status: "{}"}}
    spec: {containers: [{name: web, image: nginx}]}
`);
  const target = ["--id", "hello", "-n", namespace, "--kubeconfig", cluster.ready.kubeconfigPath];
  const where = "--id hello -n shop";
  await record(`wasme deploy istio localhost:5000/demo/hello:v1 ${where}`, [
    "deploy",
    "istio",
    image,
    ...target,
    "--via",
    "wasmplugin",
  ]);
  await record(`wasme status ${where}`, ["status", ...target, "--watch"]);
  await record(`wasme undeploy istio ${where}`, ["undeploy", "istio", ...target]);
  const old = oldWasme(cluster.ready, { namespace, cacheNamespace: `${namespace}-cache` });
  const module = createHash("sha256").update(readFileSync(HELLO_WASM)).digest("hex");
  await old.deploy({ id: "hello", image, module, rootId: "", workload: { name: "web" } });
  await record("wasme migrate -n shop --yes --image hello=localhost:5000/demo/hello:v1 --via wasmplugin", [
    "migrate",
    ...target.slice(2),
    "--yes",
    "--image",
    `hello=${image}`,
    "--via",
    "wasmplugin",
    "--cache-namespace",
    `${namespace}-cache`,
  ]);
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(PAGE, page(namespace));
}, 120_000);
afterAll(async () => await hub.close());

describe("the -o json contract", () => {
  const documented = examples(readFileSync(PAGE, "utf8"));

  it("is documented for every kind", (context) => {
    if ("skip" in cluster) context.skip(cluster.skip);
    expect([...documented.keys()].toSorted()).toEqual([...seen.keys()].toSorted());
    expect(documented.size).toBeGreaterThan(12);
  });

  it.for([...documented])("%s has the documented shape, version 1", ([kind, example], context) => {
    const found = seen.get(kind);
    if (found === undefined && "skip" in cluster) context.skip(cluster.skip);
    expect(found?.value).toMatchObject({ kind, version: 1 });
    expect(shape(found?.value)).toEqual(shape(example));
  });
});

/** An image as a build of a project makes it: with how it was built, and what its configuration may be. */
async function storeBuilt(name: string): Promise<void> {
  const facts = {
    language: "rust",
    compiler: "rustc 1.95.0",
    sdk: "proxy-wasm 0.2.5",
    target: "wasm32-wasip1",
    builder: "native",
  } as const;
  const schema = parseConfigSchema(
    '{"type":"object","required":["name"],"properties":{"name":{"type":"string","description":"Who is greeted."}}}',
    "config.schema.json",
  );
  const config = { config: { type: "envoy_proxy" }, path: join(home, "runtime-config.json"), schema };
  const where = { reference: parseImageReference(name), created: undefined, out: undefined };
  const store = openStore(join(home, ".wasme/images"));
  await storeModule(
    { store, signal: new AbortController().signal },
    { file: HELLO_WASM, title: "it", config, check: true, facts, ...where },
    ignoreEvents,
  );
}

const HELLO_TESTS = `tests:
  - name: says hello
    request: {path: /}
    expect: {response: {headers: {hello: world}}}
`;

/** Types in place of values; of a list the first item. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
}

function examples(text: string): ReadonlyMap<string, unknown> {
  const blocks = [...text.matchAll(/```json\n([\s\S]*?)\n```/gu)].map(
    ([, json = ""]) => JSON.parse(json) as { kind: string },
  );
  return new Map(blocks.map((value) => [value.kind, value]));
}

/** The page, with nothing of this machine in it. */
function page(namespace: string): string {
  const neutral = (text: string): string =>
    text
      .replaceAll(hub.host, "localhost:5000")
      .replaceAll(namespace, "shop")
      .replaceAll(home, "/home/me")
      .replaceAll(HELLO_WASM, "/home/me/hello.wasm")
      .replaceAll(process.execPath, "/usr/bin/node")
      .replaceAll(/"durationMs": [\d.]+/gu, '"durationMs": 85')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/gu, "2026-11-21T12:00:00.000Z");
  const sections = [...seen]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([kind, { command, value }]) => {
      return [
        `## ${kind}`,
        "",
        `\`${command} -o json\``,
        "",
        "```json",
        neutral(JSON.stringify(value, undefined, 2)),
        "```",
        "",
      ].join("\n");
    });
  return [
    "# JSON results",
    "",
    "<!-- Made from real runs by `UPDATE_GOLDEN=1 npx vitest run --config test/vitest.config.ts test/e2e/json-contract.test.ts`. -->",
    "",
    "Under `-o json` a command prints exactly one document on stdout. `kind` and `version` say which; within a version",
    "fields are only added. Times are ISO 8601, sizes bytes. What a text shows may change between releases, this may not.",
    "`deploy istio --dry-run=client` and `-f` print plain Kubernetes objects instead: one, or a `v1` List.",
    "An error is one line on stderr, see [error codes](errors.md).",
    "",
    ...sections,
  ].join("\n");
}
