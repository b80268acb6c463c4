import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { tempDir } from "../support/temp-dir.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

it(
  "works as an installed package: run-time dependencies, templates and scripts are all in it",
  { timeout: 180_000 },
  async () => {
    const dir = tempDir();
    const home = join(dir, "home");
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", dir], { cwd: root });
    const [archive = ""] = readdirSync(dir).filter((name) => name.endsWith(".tgz"));
    await run(
      "npm",
      ["install", "--omit=dev", "--no-audit", "--no-fund", "--prefix", join(dir, "app"), join(dir, archive)],
      { cwd: dir },
    );
    const wasme = async (...args: string[]): Promise<string> => {
      const env = { ...process.env, HOME: home, WASME_HOME: join(home, ".wasme") };
      return (await run(join(dir, "app/node_modules/.bin/wasme"), args, { cwd: dir, env })).stdout;
    };
    expect(await wasme("--version")).toMatch(/^wasme version \d/u);
    await wasme("init", "hello", "--language", "assemblyscript");
    expect(await wasme("build", "./hello", "-t", "hello:v1", "-q")).toMatch(/^sha256:/u);
    expect(await wasme("list", "-o", "name")).toBe("docker.io/library/hello:v1\n");
    expect(await wasme("deploy", "istio", "hello:v1", "--id", "x", "-n", "shop", "--dry-run=client")).toContain(
      "kind: EnvoyFilter",
    );
    expect(await wasme("completion", "bash")).toContain("complete -F");
    const library = await run(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        'import * as a from "wasme"; import * as b from "wasme/oci"; console.log(typeof a.pushImage, typeof b.createRegistryClient)',
      ],
      { cwd: join(dir, "app") },
    );
    expect(library.stdout).toBe("function function\n");
  },
);
