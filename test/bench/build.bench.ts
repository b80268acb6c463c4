import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, it } from "vitest";
import { aptInstall } from "../components/apt.ts";
import { runCli } from "../support/run-cli.ts";
import { measure, report } from "./measure.ts";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "wasme-bench-"));
const project = join(home, "hello");

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
