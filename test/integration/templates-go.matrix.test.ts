import { readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { runTestFile } from "../../src/index.ts";
import { findLanguage, loadCatalogue } from "../../src/scaffold/catalogue.ts";
import { initProject } from "../../src/scaffold/init-project.ts";
import { goEnvironment, goProgram } from "../components/go.ts";
import { need } from "../components/require-component.ts";
import { findProgram, runOk } from "../components/run.ts";
import { builtOnce } from "../differential/in-envoy/suite.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { toolchainDeps } from "./build-support.ts";

/** The first build of a machine compiles Go's own library; the next ones take a few seconds each. */
const TIMEOUT = 600_000;

const catalogue = await loadCatalogue();
const { templates } = findLanguage(catalogue, "go");
const names = templatesOf("go");

describe("Go templates", () => {
  test("are the ten there are", () => {
    const everywhere = ["add-header", "basic-auth", "local-rate-limit", "block-redirect", "metrics-log"];
    const more = ["ext-auth", "body-rewrite", "ab-routing", "tcp-logger", "jwt-auth"];
    expect(names).toEqual([...everywhere, ...more]);
    expect(templatesOf("tinygo")).toEqual(["add-header"]);
  });

  test.for(templates)(
    "$name builds and passes its own tests as it comes",
    { timeout: TIMEOUT },
    async (template, context) => {
      const { name } = template;
      const go = await need(context, "go", goProgram);
      const folder = await project("go", name);
      const wasme = cli(go, folder);

      const built = await wasme("build", ".", "-t", "x/template:v1", "--out", "filter.wasm");
      expect(built.code, built.stderr).toBe(0);
      expect(notPassed(await wasme("test", "-o", "json", "--module", "filter.wasm"))).toEqual([]);
      await builtOnce("go", template, () => readFile(join(folder, "filter.wasm")));

      const sample = await readFile(join(folder, "config.json"), "utf8").catch(() => undefined);
      if (sample !== undefined) await expectTaken(folder, sample);
    },
  );

  test.for(names)("%s is in order by gofmt and go vet", { timeout: TIMEOUT }, async (name, context) => {
    const go = await need(context, "go", goProgram);
    const folder = await project("go", name);
    expect(await said(join(dirname(go), "gofmt"), ["-l", "-s", "."], folder)).toBe("");
    expect(await said(go, ["vet", "./..."], folder, { GOOS: "wasip1", GOARCH: "wasm" })).toBe("");
  });

  test("a project is built by its folder alone", { timeout: TIMEOUT }, async (context) => {
    const go = await need(context, "go", goProgram);
    const tested = await cli(go, await project("go", "add-header"))("test", "-o", "json");
    expect(notPassed(tested)).toEqual([]);
  });
});

describe("the TinyGo template", () => {
  test("is in order by gofmt, and by go vet with the SDK it pins", { timeout: TIMEOUT }, async (context) => {
    const go = await need(context, "go", goProgram);
    const folder = await project("tinygo", "add-header");
    expect(await said(join(dirname(go), "gofmt"), ["-l", "-s", "."], folder)).toBe("");
    expect(await said(go, ["vet", "./..."], folder)).toBe("");
  });

  // No package source has TinyGo: it is used where somebody has installed it.
  test("builds and passes its own tests where TinyGo is", { timeout: TIMEOUT }, async (context) => {
    const tinygo = await findProgram("tinygo");
    if (tinygo === undefined) return context.skip("tinygo is not installed");
    const tested = await cli(tinygo, await project("tinygo", "add-header"))("test", "-o", "json");
    expect(notPassed(tested)).toEqual([]);
  });
});

function templatesOf(language: string): readonly string[] {
  return catalogue.find(({ name }) => name === language)?.templates.map(({ name }) => name) ?? [];
}

async function project(language: string, template: string): Promise<string> {
  const directory = join(tempDir(), template);
  await initProject({ ...toolchainDeps(), cwd: "/" }, { directory, language, template }, () => undefined);
  return directory;
}

/** `wasme` in a project, with the compiler in `PATH` and its caches where the machine has them. */
function cli(compiler: string, folder: string): (...args: readonly string[]) => Promise<CliResult> {
  const home = tempDir();
  return async (...args) => {
    const path = `${dirname(compiler)}${delimiter}${process.env["PATH"] ?? ""}`;
    return await runCli(args, { home, cwd: folder, env: { ...(await goCaches()), PATH: path } });
  };
}

/** A fresh home would have its own empty caches, which take minutes to fill. */
async function goCaches(): Promise<Readonly<Record<string, string>>> {
  const wanted = ["GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN"];
  const go = await goProgram();
  const values = JSON.parse(await said(go, ["env", "-json", ...wanted], "/")) as Readonly<Record<string, string>>;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}

async function said(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { stdout, stderr } = await runOk(command, args, { cwd, env: { ...goEnvironment(), ...env } });
  return `${stdout}${stderr}`.trim();
}

interface Report {
  readonly cases: readonly { readonly name: string; readonly status: string; readonly warnings: readonly unknown[] }[];
}

/** The tests that did not pass, or with a warning; all must have run. */
function notPassed({ code, stdout, stderr }: CliResult): Report["cases"] {
  expect(code, stderr).not.toBe(2);
  const { cases } = JSON.parse(stdout) as Report;
  expect(cases.length).toBeGreaterThan(3);
  return cases.filter(({ status, warnings }) => status !== "passed" || warnings.length > 0);
}

/** The sample configuration is one that the filter takes. */
async function expectTaken(cwd: string, config: string): Promise<void> {
  const filter = { module: "filter.wasm", config };
  const { results } = await runTestFile({ filter, tests: [{ name: "sample" }] }, { cwd });
  expect(results).toMatchObject([{ status: "passed" }]);
}
