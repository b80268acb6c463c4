import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drip } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { HELLO_WASM, writeModule } from "../support/modules.ts";
import { startOnPty } from "../support/pty.ts";
import { runCli } from "../support/run-cli.ts";
import { screenOf } from "../support/screen.ts";
import { tempDir } from "../support/temp-dir.ts";

let registry: FaultRegistry;

beforeAll(async () => {
  registry = await startFaultRegistry();
});
afterAll(() => registry.close());

/** Heavy and light line: done and to do. */
const BAR = /━|─/u;
const SPINNER = /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/u;

describe("on a terminal of 80 columns", () => {
  it("a table fits, whatever the names", async (context) => {
    const home = tempDir();
    const names = [
      "hello:v1",
      `registry.example.com:5000/an/organisation/with/a/rather/long/path/to/filters/${"deep/".repeat(8)}auth:v1`,
      `hello:${"long-tag-".repeat(12)}end`,
    ];
    expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "a:b"], { home })).code).toBe(0);
    for (const name of names) expect((await runCli(["tag", "a:b", name], { home })).code).toBe(0);
    const pty = startOnPty(context, ["list"], { home });
    expect(await pty.ended).toBe(0);
    const lines = pty.plain().trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(lines[0]).toMatch(/^NAME +TAG +SIZE +SHA +UPDATED$/u);
    const { stdout } = await runCli(["list"], { home });
    expect(stdout).toContain(names[2]?.slice(6));
  });

  it("help fits", async (context) => {
    for (const args of [["--help"], ["deploy", "istio", "--help"]]) {
      const pty = startOnPty(context, args, { home: tempDir() });
      expect(await pty.ended).toBe(0);
      // Examples are there to be copied: they are never broken.
      const lines = pty
        .plain()
        .split("\n")
        .filter((line) => !/^ {2}(?:wasme|#) /u.test(line));
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it("an error is coloured, and not with NO_COLOR or --no-color", async (context) => {
    const colored = async (args: readonly string[], env: Record<string, string> = {}): Promise<boolean> => {
      const pty = startOnPty(context, args, { home: tempDir(), env });
      expect(await pty.ended).toBe(2);
      return pty.raw().includes("\u001b[31m");
    };
    expect(await colored(["pull", "A"])).toBe(true);
    expect(await colored(["pull", "A"], { NO_COLOR: "1" })).toBe(false);
    expect(await colored(["pull", "A"], { TERM: "dumb" })).toBe(false);
    expect(await colored(["pull", "A", "--no-color"])).toBe(false);
  });
});

describe("transfers on a terminal", () => {
  it("show a bar that is gone at the end", async (context) => {
    const home = tempDir();
    const reference = `${registry.host}/team/large:v1`;
    const module = writeModule(home, "large.wasm", 3_000_000);
    expect((await runCli(["build", "precompiled", module, "-t", reference], { home })).code).toBe(0);
    const push = startOnPty(context, ["push", reference], { home });
    expect(await push.ended).toBe(0);
    expect(screenOf(push.raw()).join("\n")).not.toMatch(BAR);
    expect(screenOf(push.raw()).join("\n")).toMatch(/Pushed .*\nDigest: sha256:/u);

    registry.on("blob.get", drip(30, 30), 2);
    const pull = startOnPty(context, ["pull", reference], { home: tempDir() });
    expect(await pull.ended).toBe(0);
    expect(pull.raw()).toMatch(BAR);
    expect(pull.raw()).toMatch(/\d+%/u);
    const screen = screenOf(pull.raw());
    expect(screen.join("\n")).not.toMatch(BAR);
    expect(screen.filter((line) => line !== "").at(-1)).toMatch(/^Module digest: sha256:/u);
    for (const line of pull.plain().split("\n")) expect(line.length, line).toBeLessThanOrEqual(90);
  });

  it.for([["--no-progress"], ["-q"]])("%s shows none", async ([flag = ""], context) => {
    const home = tempDir();
    const reference = `${registry.host}/team/quiet${flag}:v1`.replace("--no-progress", "-np");
    const module = writeModule(home, "large.wasm", 1_000_000);
    expect((await runCli(["build", "precompiled", module, "-t", reference], { home })).code).toBe(0);
    expect((await runCli(["push", reference], { home })).code).toBe(0);
    registry.on("blob.get", drip(10, 30), 2);
    const pull = startOnPty(context, ["pull", reference, flag], { home: tempDir() });
    expect(await pull.ended).toBe(0);
    expect(pull.raw()).not.toMatch(BAR);
  });

  it("no bar in CI, nor on a dumb terminal", async (context) => {
    const home = tempDir();
    const reference = `${registry.host}/team/ci:v1`;
    const module = writeModule(home, "large.wasm", 1_000_000);
    expect((await runCli(["build", "precompiled", module, "-t", reference], { home })).code).toBe(0);
    expect((await runCli(["push", reference], { home })).code).toBe(0);
    for (const env of [{ CI: "1" }, { TERM: "dumb" }]) {
      registry.on("blob.get", drip(10, 30), 2);
      const pull = startOnPty(context, ["pull", reference], { home: tempDir(), env });
      expect(await pull.ended).toBe(0);
      expect(pull.raw()).not.toMatch(BAR);
    }
  });
});

describe("a build on a terminal", () => {
  /** A project whose own script fails after a while, so that no compiler is needed. */
  function project(): string {
    const dir = tempDir();
    const script = "node -e \"setTimeout(()=>{console.error('no such type');process.exit(3)},600)\"";
    writeFileSync(join(dir, "package.json"), JSON.stringify({ name: "p", scripts: { asbuild: script } }));
    writeFileSync(join(dir, "asconfig.json"), "{}");
    mkdirSync(join(dir, "node_modules/assemblyscript"), { recursive: true });
    // Compilers of that age are run by the project's script alone.
    writeFileSync(join(dir, "node_modules/assemblyscript/package.json"), '{"version":"0.9.1"}');
    return dir;
  }
  const BUILD = ["build", "assemblyscript", ".", "-t", "a", "--builder", "npm", "--no-install"];

  it("shows a spinner that is gone at the end, and what the compiler said", async (context) => {
    const cwd = project();
    const pty = startOnPty(context, BUILD, { home: tempDir(), cwd });
    expect(await pty.ended).toBe(6);
    expect(pty.raw()).toMatch(SPINNER);
    const screen = screenOf(pty.raw()).join("\n");
    expect(screen).not.toMatch(SPINNER);
    expect(screen).toContain("no such type");
    expect(screen.match(/^Error: /gmu)).toHaveLength(1);
  });

  it("has one line per step elsewhere", async () => {
    const { code, stdout, stderr } = await runCli(BUILD, { home: tempDir(), cwd: project() });
    expect([code, stdout]).toEqual([6, ""]);
    expect(stderr).not.toMatch(SPINNER);
    expect(stderr).not.toContain("\u001b");
  });
});
