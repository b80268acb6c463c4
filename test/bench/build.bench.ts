import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, it } from "vitest";
import { aptInstall } from "../components/apt.ts";
import { runCli } from "../support/run-cli.ts";
import { measure, report } from "./measure.ts";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "wasme-bench-"));
const project = join(home, "hello");
/** What the tools of Rust and Go keep outside of a project. */
const tools = {
  GOPATH: process.env["GOPATH"] ?? join(homedir(), "go"),
  GOCACHE: process.env["GOCACHE"] ?? join(homedir(), ".cache/go-build"),
  RUSTUP_HOME: process.env["RUSTUP_HOME"] ?? join(homedir(), ".rustup"),
  CARGO_HOME: process.env["CARGO_HOME"] ?? join(homedir(), ".cargo"),
};

beforeAll(async () => {
  await aptInstall(["time"]);
  for (const args of [
    ["init", "hello", "--language", "assemblyscript"],
    ["build", "./hello", "-t", "hello:v0"],
  ]) {
    const { code, stderr } = await runCli(args, { home });
    if (code !== 0) throw new Error(stderr);
  }
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

it("build of the starter, dependencies installed", async () => {
  const asc = join(project, "node_modules/assemblyscript/bin/asc.js");
  const options = [
    "assembly/index.ts",
    "--target",
    "release",
    "--transform",
    "./assembly/proxy-wasm/export-only-used.mjs",
  ];
  const env = { HOME: home };
  const candidates = [
    { name: "the compiler alone", command: process.execPath, args: [asc, ...options], cwd: project, env },
    { name: "npm run asbuild", command: "npm", args: ["run", "--silent", "asbuild"], cwd: project, env },
    { name: "wasme build", command: process.execPath, args: [bin, "build", project, "-t", "hello:v1"], env },
  ];
  report("build of the AssemblyScript starter", await measure(candidates, 7));
});

it("build of the Rust starter, nothing changed", async () => {
  const [ours, bare] = await starter("rust");
  const args = ["build", "--release", "--locked", "--target", "wasm32-wasip1"];
  const env = { HOME: home, ...tools };
  const candidates = [
    { name: "cargo alone", command: "cargo", args, cwd: bare, env },
    { name: "wasme build", command: process.execPath, args: [bin, "build", ours, "-t", "rust:v1"], env },
  ];
  report("build of the Rust starter, nothing changed", await measure(candidates, 7));
});

it("build of the Go starter, nothing changed", async () => {
  const [ours, bare] = await starter("go");
  const args = ["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-o", join(home, "bare.wasm"), "."];
  const env = { HOME: home, ...tools };
  const candidates = [
    { name: "go alone", command: "go", args, cwd: bare, env: { ...env, GOOS: "wasip1", GOARCH: "wasm" } },
    { name: "wasme build", command: process.execPath, args: [bin, "build", ours, "-t", "go:v1"], env },
  ];
  report("build of the Go starter, nothing changed", await measure(candidates, 7));
});

it("build of the C++ starter with npm clang", async () => {
  const [ours] = await starter("cpp", ["--builder", "npm"]);
  const env = { HOME: home };
  const build = [bin, "build", ours, "-t", "cpp:v1", "--builder", "npm"];
  const forget = (): void => rmSync(join(home, ".wasme/cache"), { recursive: true, force: true });
  const candidates = [
    { name: "nothing changed", command: process.execPath, args: build, env },
    {
      name: "fresh: packages installed, nothing built yet",
      command: process.execPath,
      args: build,
      env,
      prepare: forget,
    },
  ];
  report("build of the C++ starter with npm clang", await measure(candidates, 3));
});

/** Two copies of a starter, one for us and one for the tool alone: they compile with different flags. */
async function starter(language: string, options: readonly string[] = []): Promise<readonly [string, string]> {
  const [ours, bare] = [join(home, language), join(home, `${language}-bare`)];
  for (const args of [
    ["init", ours, "--language", language],
    ["build", ours, "-t", `${language}:v0`, ...options],
  ]) {
    const { code, stderr } = await runCli(args, { home, env: tools });
    if (code !== 0) throw new Error(stderr);
  }
  cpSync(ours, bare, { recursive: true });
  return [ours, bare];
}
