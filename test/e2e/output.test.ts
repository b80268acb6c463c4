import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { type HubServer, startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { normalize } from "../support/normalize.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

let hub: HubServer;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const DIGEST = /^sha256:[0-9a-f]{64}$/u;

/** Command lines in the order of one walk (`HUB` is the registry), the kind of their JSON, and what `-q` prints. */
const COMMANDS: readonly (readonly [string, string, RegExp])[] = [
  ["init project --language assemblyscript --force", "InitResult", /project$/u],
  ["init --list", "TemplateList", /^[a-z]+\/[a-z-]+$/u],
  [`build precompiled ${HELLO_WASM} -t HUB/team/hello:v1`, "BuildResult", DIGEST],
  ["tag HUB/team/hello:v1 hello:v2", "TagResult", DIGEST],
  ["list", "ImageList", /hello:v[12]$/u],
  ["list --wide --show-dir --search v1", "ImageList", /hello:v1$/u],
  ["inspect hello:v2", "InspectResult", DIGEST],
  ["push HUB/team/hello:v1", "PushResult", DIGEST],
  ["pull HUB/team/hello:v1", "PullResult", DIGEST],
  ["inspect --remote HUB/team/hello:v1", "InspectResult", DIGEST],
  ["login HUB -u bob --password-stdin", "LoginResult", /^127\.0\.0\.1:\d+$/u],
  ["logout HUB", "LogoutResult", /^127\.0\.0\.1:\d+$/u],
  ["deploy envoy hello:v2 --out envoy.yaml", "DeployEnvoyResult", /^hello$/u],
  ["completion fish", "CompletionScript", /./u],
  ["rm hello:v2", "RemoveResult", /hello:v2$/u],
];

/** Runs the whole walk in a fresh home with the same options on every command. */
async function walk(options: readonly string[], env: Record<string, string> = {}): Promise<CliResult[]> {
  const home = tempDir();
  const results: CliResult[] = [];
  for (const [line] of COMMANDS) {
    const args = [...line.replaceAll("HUB", hub.host).split(" "), ...options];
    const result = await runCli(args, { home, env, input: "secret\n" });
    expect(result.code, `${line}: ${result.stderr}`).toBe(0);
    expect(result.stdout.endsWith("\n"), line).toBe(true);
    expect(result.stdout.endsWith("\n\n"), line).toBe(false);
    results.push(result);
  }
  return results;
}

describe("every command's result", () => {
  it("-o json: one document with its kind and version", async () => {
    const results = await walk(["-o", "json"]);
    const kinds = results.map(({ stdout }) => JSON.parse(stdout) as { kind: string; version: number });
    expect(kinds.map(({ kind, version }) => [kind, version])).toEqual(COMMANDS.map(([, kind]) => [kind, 1]));
  });

  it("-o yaml: one document, the same value", async () => {
    const results = await walk(["-o", "yaml"]);
    const kinds = results.map(({ stdout }) => {
      const documents = parseAllDocuments(stdout);
      if (!Array.isArray(documents)) throw new Error("no document");
      return documents.map((each) => (each.toJS() as { kind: string }).kind);
    });
    expect(kinds).toEqual(COMMANDS.map(([, kind]) => [kind]));
  });

  it.each([["-q"], ["-o name"]])("%s: bare identifiers", async (options) => {
    const results = await walk(options.split(" "));
    expect(results).toHaveLength(COMMANDS.length);
    for (const [index, [line, , pattern]] of COMMANDS.entries()) {
      const names = (results[index]?.stdout ?? "")
        .trimEnd()
        .split("\n")
        .filter((name) => name !== "");
      for (const name of names) expect(name, line).toMatch(pattern);
    }
    expect(options === "-q" ? results.map(({ stderr }) => stderr).join("") : "").toBe("");
  });

  it("text: no control sequence when it is not a terminal, in CI and with NO_COLOR", async () => {
    for (const env of [{}, { CI: "1" }, { NO_COLOR: "1" }]) {
      for (const { stdout, stderr } of await walk([], env)) expect(stdout + stderr).not.toContain("\u001b");
    }
  });
});

describe("colour", () => {
  const colored = async (args: readonly string[], env: Record<string, string>): Promise<boolean> => {
    const { stderr } = await runCli(args, { home: tempDir(), env });
    expect(stderr).toContain("Error:");
    return stderr.includes("\u001b[");
  };

  it("is forced by FORCE_COLOR, which wins over NO_COLOR", async () => {
    expect(await colored(["pull", "A"], { FORCE_COLOR: "1" })).toBe(true);
    expect(await colored(["pull", "A"], { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(true);
    expect(await colored(["pull", "A"], { FORCE_COLOR: "0" })).toBe(false);
  });

  it("is off under --no-color, wherever it stands", async () => {
    expect(await colored(["--no-color", "pull", "A"], { FORCE_COLOR: "1" })).toBe(false);
    expect(await colored(["pull", "A", "--no-color"], { FORCE_COLOR: "1" })).toBe(false);
  });
});

describe("stdin and stdout by a dash, and the end of options", () => {
  it("reads a bootstrap from stdin and prints it with the filter", async () => {
    const home = tempDir();
    await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], { home });
    const first = await runCli(["deploy", "envoy", "hello:v1", "--id", "one", "--out", "-"], { home });
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const again = ["deploy", "envoy", "hello:v1", "--id", "two", "-b", "-", "--out", "-"];
    const second = await runCli(again, { home, input: first.stdout });
    expect(second.code, second.stderr).toBe(0);
    expect(second.stdout).toMatch(/name: one[\s\S]*name: two[\s\S]*http\.router/u);
    const json = await runCli([...again, "-o", "json"], { home, input: first.stdout });
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: "DeployEnvoyResult", bootstrap: second.stdout });
  });

  it("reads manifests from stdin and prints nothing but objects", async () => {
    const home = tempDir();
    const reference = `${hub.host}/team/dash:v1`;
    await runCli(["build", "precompiled", HELLO_WASM, "-t", reference], { home });
    await runCli(["push", reference], { home });
    const args = ["deploy", "istio", reference, "--id", "x", "-f", "-"];
    const { code, stdout, stderr } = await runCli(args, { home, input: DEPLOYMENT });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^apiVersion: /u);
    expect(stdout).toContain("kind: EnvoyFilter");
    const list = await runCli([...args, "-o", "json"], { home, input: DEPLOYMENT });
    expect(JSON.parse(list.stdout)).toMatchObject({ kind: "List", apiVersion: "v1" });
    const names = await runCli([...args, "-q"], { home, input: DEPLOYMENT });
    expect(names.stdout.trimEnd().split("\n")).toContain("envoyfilter/web-x");
    expect(names.stderr).toBe("");
  });

  it("takes words after -- as arguments", async () => {
    const home = tempDir();
    mkdirSync(join(home, "-folder"));
    writeFileSync(join(home, "-folder/-f.wasm"), readFileSync(HELLO_WASM));
    const { code, stderr } = await runCli(["build", "precompiled", "-t", "a", "--", "-folder/-f.wasm"], { home });
    expect(code, stderr).toBe(0);
    expect((await runCli(["rm", "--", "--help"], { home })).stderr).toMatch(
      /^Error: invalid image reference "--help"/u,
    );
  });
});

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "example.com/app:v1"}]}
`;

describe("help", () => {
  it.each([
    ["--help", "help.txt"],
    ["push --help", "help-push.txt"],
    ["deploy --help", "help-deploy.txt"],
  ])("wasme %s", async (line, file) => {
    const { code, stdout, stderr } = await runCli(line.split(" "), { home: tempDir() });
    expect([code, stderr]).toEqual([0, ""]);
    const path = new URL(`../golden/cli/${file}`, import.meta.url);
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path, normalize(stdout));
    expect(normalize(stdout)).toBe(readFileSync(path, "utf8"));
  });

  it.each(["-h", "help", "push -h", "help push", "push --bad --help", "deploy istio -h"])(
    "wasme %s succeeds",
    async (line) => {
      const { code, stdout, stderr } = await runCli(line.split(" "), { home: tempDir() });
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toContain("Usage\n  wasme ");
    },
  );
});
