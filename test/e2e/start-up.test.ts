import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startHub } from "../support/hub.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The files a run loaded, told by V8 itself. */
async function loadedFiles(args: readonly string[], home: string = tempDir()): Promise<string[]> {
  const coverage = join(home, "coverage");
  const { code } = await runCli(args, { home, env: { NODE_V8_COVERAGE: coverage } });
  expect(code).toBe(0);
  const files = readdirSync(coverage).flatMap((name) => {
    const report = JSON.parse(readFileSync(join(coverage, name), "utf8")) as { result: { url: string }[] };
    return report.result.map(({ url }) => url).filter((url) => url.startsWith("file:"));
  });
  expect(files.length).toBeGreaterThan(3);
  return files;
}

const packagesOf = (files: readonly string[]): string[] => [
  ...new Set(files.flatMap((url) => /node_modules\/((?:@[^/]+\/)?[^/]+)/u.exec(url)?.[1] ?? [])),
];

describe("start-up stays lean", () => {
  it.each([["--help"], ["--version"], ["deploy", "--help"], ["push", "--help"]])(
    "%s loads no package but commander",
    async (...args) => {
      expect(packagesOf(await loadedFiles(args)).filter((name) => name !== "commander")).toEqual([]);
    },
  );

  it("--help loads no command and no room beyond cli, platform and domain", async () => {
    const files = await loadedFiles(["--help"]);
    const own = files.flatMap((url) => /\/dist\/(.*)$/u.exec(url)?.[1] ?? []);
    expect(own.filter((file) => !/^(?:cli|platform|domain)\//u.test(file))).toEqual([]);
    expect(own.filter((file) => file.startsWith("cli/commands/"))).toEqual([]);
  });

  it("list loads no package but commander", async () => {
    expect(packagesOf(await loadedFiles(["list"]))).toEqual(["commander"]);
  });

  it("push to an open registry loads nothing about credentials, archives or TLS", async () => {
    const hub = await startHub();
    const home = tempDir();
    const reference = `${hub.host}/team/hello:v1`;
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", reference], { home })).code).toBe(0);
    const files = await loadedFiles(["push", reference], home);
    await hub.close();
    expect(packagesOf(files)).toEqual(["commander"]);
    const own = files.flatMap((url) => /\/dist\/(.*)\.js$/u.exec(url)?.[1] ?? []);
    expect(own).toContain("registry/blob-upload");
    expect(own.filter((file) => UNNEEDED.test(file))).toEqual([]);
  });
});

const UNNEEDED = /credentials|credential-helper|auth|token|gzip|\btar\b|ustar|proxy|tunnel|trust|download/u;
