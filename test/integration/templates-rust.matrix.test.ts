import { copyFile, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { runTestFile } from "../../src/index.ts";
import { loadCatalogue } from "../../src/scaffold/catalogue.ts";
import { initProject } from "../../src/scaffold/init-project.ts";
import { cacheRoot } from "../components/cache.mjs";
import { need } from "../components/require-component.ts";
import { run, runOk } from "../components/run.ts";
import { rustCargo } from "../components/rust.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { toolchainDeps } from "./build-support.ts";

/** The first build of a machine fetches and compiles the crates; the next ones take a few seconds each. */
const TIMEOUT = 900_000;

const catalogue = await loadCatalogue();
const names = catalogue.find(({ name }) => name === "rust")?.templates.map(({ name }) => name) ?? [];

describe("Rust templates", () => {
  test("are the ten there are", () => {
    const everywhere = ["add-header", "basic-auth", "local-rate-limit", "block-redirect", "metrics-log"];
    const more = ["ext-auth", "body-rewrite", "ab-routing", "tcp-logger", "jwt-auth"];
    expect(names).toEqual([...everywhere, ...more]);
  });

  test.for(names)("%s builds and passes its own tests as it comes", { timeout: TIMEOUT }, async (name, context) => {
    const { folder, cargo } = await project(context, name);
    const module = await build(cargo, folder);
    expect(notPassed(await wasmeIn(folder, "test", "-o", "json", "--module", module))).toEqual([]);

    const sample = await readFile(join(folder, "config.json"), "utf8").catch(() => undefined);
    if (sample === undefined) return;
    // The sample configuration is one that the filter takes.
    const { results } = await runTestFile(
      { filter: { module, config: sample }, tests: [{ name: "sample" }] },
      { cwd: folder },
    );
    expect(results).toMatchObject([{ status: "passed" }]);
  });

  test.for(names)("%s is in order by rustfmt", { timeout: TIMEOUT }, async (name, context) => {
    const { folder, cargo } = await project(context, name);
    if ((await run(cargo, ["fmt", "--version"], { cwd: folder })).code !== 0) return context.skip("no rustfmt");
    const { stdout } = await run(cargo, ["fmt", "--check"], { cwd: folder });
    expect(stdout).toBe("");
  });

  test(
    "the search over the borders of pieces passes its own test on this machine",
    { timeout: TIMEOUT },
    async (context) => {
      const { folder, cargo } = await project(context, "body-rewrite");
      const host = /^host: (.*)$/mu.exec((await runOk("rustc", ["-vV"], {})).stdout)?.[1] ?? "";
      const args = ["test", "--locked", "--quiet", "--target", host, "--target-dir", targetFolder()];
      expect((await runOk(cargo, args, { cwd: folder, timeoutMs: TIMEOUT })).stdout).toContain("1 passed");
    },
  );

  test("a project is built by its folder alone", { timeout: TIMEOUT }, async (context) => {
    const { folder } = await project(context, "add-header");
    expect(notPassed(await wasmeIn(folder, "test", "-o", "json"))).toEqual([]);
  });
});

async function project(context: TestContext, template: string): Promise<{ folder: string; cargo: string }> {
  const cargo = await need(context, "rust", async () => await rustCargo("wasm32-wasip1"));
  const directory = join(tempDir(), template);
  await initProject({ ...toolchainDeps(), cwd: "/" }, { directory, language: "rust", template }, () => undefined);
  return { folder: directory, cargo };
}

/** Builds as without wasme, which keeps one copy of the crates for all projects; a warning is an error. */
async function build(cargo: string, folder: string): Promise<string> {
  const target = ["--target-dir", targetFolder()];
  const { stderr } = await runOk(cargo, ["build", "--release", "--locked", ...target], {
    cwd: folder,
    timeoutMs: TIMEOUT,
  });
  expect(stderr).not.toMatch(/^warning/mu);
  const module = join(folder, "filter.wasm");
  await copyFile(join(targetFolder(), "wasm32-wasip1", "release", "filter.wasm"), module);
  // Else each run, in a folder of its own, would leave a module behind.
  await runOk(cargo, ["clean", "--quiet", "--release", "-p", basename(folder), ...target], { cwd: folder });
  return module;
}

/** Crates and compiler are where the machine has them, all else is new. */
async function wasmeIn(cwd: string, ...args: readonly string[]): Promise<CliResult> {
  const home = tempDir();
  const cargoHome = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  const rustupHome = process.env["RUSTUP_HOME"] ?? join(homedir(), ".rustup");
  return await runCli(args, { home, cwd, env: { CARGO_HOME: cargoHome, RUSTUP_HOME: rustupHome } });
}

function targetFolder(): string {
  return join(cacheRoot(), "rust-target", "templates");
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
