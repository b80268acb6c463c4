import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { goProgram } from "../components/go.ts";
import { need } from "../components/require-component.ts";
import { rustCargo } from "../components/rust.ts";
import { fakeProgram } from "../support/fake-program.ts";
import { type CliResult, runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

interface Health {
  readonly ok: boolean;
  readonly languages: readonly {
    readonly language: string;
    readonly canBuild: boolean;
    readonly ways: readonly string[];
    readonly tools: readonly { readonly tool: string; readonly state: string; readonly where?: string }[];
  }[];
}

/** With nothing in `PATH` but the programs that are given: name and script. */
async function bare(args: readonly string[], programs: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  const home = tempDir();
  const bin = join(home, "bin");
  for (const [name, script] of Object.entries(programs)) await fakeProgram(bin, name, script);
  return await runCli(["doctor", ...args], { home, env: { PATH: bin } });
}

describe("wasme doctor", () => {
  it("on a machine without anything shows every language and what brings it, and is no failure", async () => {
    const { code, stdout } = await bare([]);
    expect(code).toBe(0);
    for (const language of ["assemblyscript", "rust", "go", "tinygo", "cpp"]) {
      expect(stdout).toMatch(new RegExp(`^${language}: cannot be built; do this: \\S`, "mu"));
    }
    expect(stdout).toMatch(/^ok +wasme \S+ on Node\.js 2\d\./u);
    expect(stdout).not.toContain("\u001b");
  });

  it("ends with 1 when a language that was named cannot be built", async () => {
    const { code, stdout, stderr } = await bare(["assemblyscript", "tinygo", "-o", "json"], { npm: "echo 10.9.0" });
    expect([code, stderr.includes("Error")]).toEqual([1, false]);
    const { ok, languages } = JSON.parse(stdout) as Health;
    expect(ok).toBe(false);
    expect(languages.map(({ language, ways }) => [language, ways])).toEqual([
      ["assemblyscript", ["npm"]],
      ["tinygo", []],
    ]);
  });

  it("prints with -o name the languages that can be built", async () => {
    const { code, stdout } = await bare(["-o", "name"], { npm: "echo 10.9.0", tinygo: "echo tinygo version 0.39.0" });
    expect(stdout.split("\n").filter(Boolean)).toEqual(expect.arrayContaining(["assemblyscript", "cpp"]));
    expect(code).toBe(0);
  });

  it("shows where a tool is that cannot do its work, and why", async () => {
    const { code, stdout } = await bare(["go"], { go: "echo 'this go is broken' >&2; exit 1" });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^unfit +go .*\/bin\/go$/mu);
    expect(stdout).toMatch(/^ +why: \S/mu);
  });

  it.for([
    ["ruts", "did you mean rust?"],
    ["c++", "did you mean cpp?"],
    ["cobol", "wasme doctor [assemblyscript|rust|go|tinygo|cpp]"],
  ] as const)("refuses %s before it looks for anything", async ([word, hint]) => {
    const { code, stdout, stderr } = await bare(["go", word]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(`Error: there is no language ${JSON.stringify(word)} to build\nHint: ${hint}\n`);
  });

  it("completes languages", async () => {
    const { stdout } = await runCli(["__complete", "doctor", "ti"], { home: tempDir() });
    expect(stdout).toContain("tinygo");
  });

  it("counts a container engine that answers, and not one that is silent", async () => {
    const answers = await bare(["tinygo"], { docker: 'case "$*" in *Server*) echo 27.3.1;; *) echo "[]";; esac' });
    expect(answers.code).toBe(0);
    expect(answers.stdout).toMatch(/^ok +docker +27\.3\.1 .*\/bin\/docker$/mu);
    expect(answers.stdout).toContain("tinygo: can be built in a container");
    const silent = await bare(["tinygo"], { docker: 'echo "Cannot connect to the Docker daemon" >&2; exit 1' });
    expect(silent.code).toBe(1);
    expect(silent.stdout).toMatch(/^unfit +docker .*\n +why: .*Cannot connect/mu);
    expect(silent.stdout).toContain("tinygo: cannot be built");
  });

  it("is named by a build that lacks its tool", async () => {
    const home = tempDir();
    await fakeProgram(join(home, "bin"), "nothing", "");
    await runCli(["init", "hello", "--language", "rust"], { home });
    const { code, stderr } = await runCli(["build", "hello", "-t", "hello:v1"], {
      home,
      env: { PATH: join(home, "bin") },
    });
    expect(code).toBe(6);
    expect(stderr).toContain("(wasme doctor rust shows what there is)");
  });

  it("knows the real Rust and Go", { timeout: 240_000 }, async (context) => {
    await need(context, "rust", () => rustCargo("wasm32-wasip1"));
    const go = await need(context, "go", goProgram);
    const path = `${join(go, "..")}:${process.env["PATH"] ?? ""}`;
    const { code, stdout } = await runCli(["doctor", "rust", "go", "-o", "json"], {
      home: tempDir(),
      env: { PATH: path, RUSTUP_HOME: rustupHome(), CARGO_HOME: cargoHome() },
    });
    const { languages } = JSON.parse(stdout) as Health;
    expect([code, languages.map(({ ways }) => ways[0])]).toEqual([0, ["native", "native"]]);
    expect(languages[0]?.tools).toContainEqual(expect.objectContaining({ tool: "wasm32-wasip1", state: "ok" }));
    expect(languages[1]?.tools[0]?.where).toBe(go);
  });
});

/** A fresh `HOME` hides them from rustup. */
function rustupHome(): string {
  return process.env["RUSTUP_HOME"] ?? join(process.env["HOME"] ?? "", ".rustup");
}

function cargoHome(): string {
  return process.env["CARGO_HOME"] ?? join(process.env["HOME"] ?? "", ".cargo");
}
