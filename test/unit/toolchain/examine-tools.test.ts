import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { runProcess } from "../../../src/platform/process-runner.ts";
import { type ExamineDeps, examineTools, type MachineHealth } from "../../../src/toolchain/examine-tools.ts";
import type { BuildLanguage, ToolchainRunner, ToolReport } from "../../../src/toolchain/runner.ts";
import { runnerOf } from "../../../src/toolchain/runners.ts";
import { waysOf } from "../../../src/toolchain/ways.ts";
import { fakeProgram } from "../../support/fake-program.ts";
import { tempDir } from "../../support/temp-dir.ts";

let folder: string;
let deps: ExamineDeps;

beforeEach(() => {
  folder = tempDir();
  const paths = { home: join(folder, "home"), tmp: folder };
  const env = { ...process.env, PATH: join(folder, "bin"), npm_execpath: undefined };
  deps = { exec: runProcess, env, signal: new AbortController().signal, paths };
});

const examine = async (...languages: BuildLanguage[]): Promise<MachineHealth> =>
  await examineTools(deps, languages.map(runnerOf), languages);

const there = (...tools: string[]): ToolReport[] =>
  tools.map((tool) => (tool.startsWith("-") ? report(tool.slice(1), "unfit") : report(tool, "ok")));
const report = (tool: string, state: ToolReport["state"]): ToolReport => ({ tool, state, purpose: "builds" });

describe("the ways to build a language", () => {
  it.for([
    ["assemblyscript", ["npm"], ["npm"]],
    ["assemblyscript", [], []],
    ["rust", ["cargo", "wasm32-wasip1"], ["native"]],
    ["rust", ["cargo", "-wasm32-wasip1", "wasm32-unknown-unknown"], ["native"]],
    ["rust", ["cargo", "-wasm32-wasip1"], []],
    ["rust", ["wasm32-wasip1"], []],
    ["go", ["go"], ["native"]],
    ["go", ["-go"], []],
    ["tinygo", ["tinygo"], ["native"]],
    ["cpp", ["clang++-19", "@yowasp/clang"], ["native", "npm"]],
    ["cpp", ["-clang++", "@yowasp/clang", "make"], ["npm"]],
    ["cpp", ["em++"], ["native"]],
    ["cpp", ["make", "cmake"], []],
  ] as const)("%s with %j: %j", ([language, tools, ways]) => {
    expect(waysOf(language, there(...tools), undefined)).toEqual(ways);
    expect(waysOf(language, there(...tools), report("docker", "ok"))).toEqual([...ways, "container"]);
    expect(waysOf(language, there(...tools), report("docker", "unfit"))).toEqual(ways);
  });
});

describe("looking at a machine", () => {
  it("without any tool says of each language what to do", async () => {
    const { ok, languages } = await examine("assemblyscript", "rust", "go", "tinygo", "cpp");
    expect(ok).toBe(false);
    expect(languages.map(({ canBuild, ways }) => [canBuild, ways])).toEqual(
      Array.from({ length: 5 }, () => [false, []]),
    );
    for (const { language, advice } of languages) expect(advice, language).toMatch(/\S/u);
  });

  it("is well when what was asked for can be built, whatever else cannot", async () => {
    await fakeProgram(join(folder, "bin"), "npm", "echo 10.1.0");
    const runners = [runnerOf("assemblyscript"), runnerOf("tinygo")];
    expect((await examineTools(deps, runners, ["assemblyscript"])).ok).toBe(true);
    expect((await examineTools(deps, runners, [])).ok).toBe(true);
    expect((await examineTools(deps, runners, ["tinygo"])).ok).toBe(false);
  });

  it("tells a tool that is broken from one that is missing", async () => {
    const bin = join(folder, "bin");
    await fakeProgram(bin, "go", "echo broken >&2; exit 1");
    await fakeProgram(bin, "tinygo", 'echo "no version at all"');
    const [go, tinygo] = (await examine("go", "tinygo")).languages;
    expect(go?.tools).toMatchObject([{ tool: "go", state: "unfit", where: join(bin, "go") }]);
    expect(tinygo?.tools).toMatchObject([{ tool: "tinygo", state: "unfit", where: join(bin, "tinygo") }]);
  });

  it("lets one language that cannot be looked at not hide the others", async () => {
    await fakeProgram(join(folder, "bin"), "npm", "echo 10.1.0");
    const broken: ToolchainRunner = { ...runnerOf("go"), report: () => Promise.reject(new Error("no room")) };
    const { languages } = await examineTools(deps, [broken, runnerOf("assemblyscript")], []);
    expect(languages[0]).toMatchObject({ canBuild: false, tools: [{ state: "unfit", problem: "no room" }] });
    expect(languages[1]).toMatchObject({ canBuild: true });
  });

  it("keeps rustup, go and npm from fetching anything, and gives every tool a limit", async () => {
    const seen: { env: NodeJS.ProcessEnv; timeoutMs: number | undefined }[] = [];
    await fakeProgram(join(folder, "bin"), "go", "exit 1");
    deps = {
      ...deps,
      exec: async (command, args, options) => {
        seen.push({ env: { ...options.env }, timeoutMs: options.timeoutMs });
        return await runProcess(command, args, options);
      },
    };
    await examine("assemblyscript", "rust", "go", "cpp");
    expect(seen.length).toBeGreaterThan(1);
    for (const { env, timeoutMs } of seen) {
      expect(env).toMatchObject({ GOPROXY: "off", RUSTUP_AUTO_INSTALL: "0" });
      expect(timeoutMs).toBeGreaterThan(0);
    }
  });

  it("ends with the signal's reason", async () => {
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    deps = { ...deps, signal: stop.signal };
    await expect(examine("go", "assemblyscript")).rejects.toThrow("enough");
  });

  it("says where wasme's folder would be and whether it can be made, and makes nothing", async () => {
    expect((await examine()).home).toEqual({ path: deps.paths.home, writable: true });
    await writeFile(join(folder, "file"), "");
    deps = { ...deps, paths: { ...deps.paths, home: join(folder, "file", "home") } };
    expect((await examine()).home).toMatchObject({ writable: false, problem: `${join(folder, "file")} is no folder` });
    await mkdir(join(folder, "made"));
    deps = { ...deps, paths: { ...deps.paths, home: join(folder, "made") } };
    expect((await examine()).home.writable).toBe(true);
  });

  it("counts containers where an engine answers", async () => {
    deps = { ...deps, findEngine: () => Promise.resolve(report("podman", "ok")) };
    const { ok, engine, languages } = await examine("tinygo");
    expect([ok, engine?.tool, languages[0]?.ways]).toEqual([true, "podman", ["container"]]);
  });
});
