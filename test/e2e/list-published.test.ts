import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refuse, status } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** `wasme list --published` through the built program. */
describe("list --published", () => {
  const home = makeTempDir();
  let registry: FaultRegistry;

  beforeAll(async () => {
    registry = await startFaultRegistry();
    for (const name of ["team/a:v1", "team/a:v2", "other/b:latest"]) {
      const reference = `${registry.host}/${name}`;
      expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", reference], { home })).code).toBe(0);
      expect((await runCli(["push", reference], { home })).code).toBe(0);
    }
  });
  afterAll(async () => {
    await registry.close();
    rmSync(home, { recursive: true, force: true });
  });

  it("shows name and tag of what a server has, or of those that match", async () => {
    const { host } = registry;
    const all = await runCli(["list", "--published", "-s", host], { home });
    expect(
      all.stdout
        .replaceAll(host, "HOST")
        .split("\n")
        .map((line) => line.split(/\s+/u)),
    ).toEqual([["NAME", "TAG"], ["HOST/other/b", "latest"], ["HOST/team/a", "v1"], ["HOST/team/a", "v2"], [""]]);
    const env = { WASM_IMAGE_REGISTRY: host };
    const some = await runCli(["list", "--published", "--search", "team", "-q"], { home, env });
    expect(some.stdout).toBe(`${host}/team/a:v1\n${host}/team/a:v2\n`);
    const json = await runCli(["list", "--published", "-s", host, "--search", "b", "-o", "json"], { home });
    expect(JSON.parse(json.stdout)).toEqual({
      kind: "PublishedList",
      version: 1,
      server: host,
      images: [{ reference: `${host}/other/b:latest`, name: `${host}/other/b`, tag: "latest" }],
    });
  });

  it("wants a server, and --published with one", async () => {
    const none = await runCli(["list", "--published"], { home });
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("no registry named")]);
    const alone = await runCli(["list", "-s", registry.host], { home });
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining("--published")]);
    const local = await runCli(["list", "--search", "team", "-q"], { home, env: { WASM_IMAGE_REGISTRY: "h.io" } });
    expect([local.code, local.stdout.trim().split("\n").length]).toEqual([0, 2]);
  });

  it.each([
    ["an absent catalogue", status(404), 1, "does not list its repositories"],
    ["one that may not be read", refuse(401, "UNAUTHORIZED", "log in"), 4, "wasme login"],
  ])("tells %s", async (_name, fault, code, says) => {
    registry.on("catalog", fault, 1);
    const run = await runCli(["list", "--published", "-s", registry.host], { home });
    expect([run.code, run.stdout, run.stderr]).toEqual([code, "", expect.stringContaining(says)]);
  });
});
