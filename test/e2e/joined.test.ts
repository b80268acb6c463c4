import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import { describe, expect, it } from "vitest";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const joined = join(root, "dist/joined");

/** The files of the program's main thread that V8 saw in a run of `wasme test`. */
async function filesOfTest(env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const home = tempDir();
  const module = join(root, "test/fixtures/filters/c-hello/filter.wasm");
  const file = join(home, "one.test.yaml");
  writeFileSync(
    file,
    `filter: { module: ${JSON.stringify(module)}, rootId: add_header }\ntests: [{ name: one, request: { path: / }, expect: { response: { status: 200, headers: { hello: world } } } }]\n`,
  );
  const coverage = join(home, "coverage");
  const { code, stdout } = await runCli(["test", file], { home, env: { NODE_V8_COVERAGE: coverage, ...env } });
  expect(stdout).toContain("1 passed");
  expect(code).toBe(0);
  return readdirSync(coverage).flatMap((name) => {
    const report = JSON.parse(readFileSync(join(coverage, name), "utf8")) as { result: { url: string }[] };
    return report.result.flatMap(({ url }) => /\/dist\/(.*)$/u.exec(url)?.[1] ?? []);
  });
}

describe("the joined files of the build", () => {
  it.each(["main", "test-worker", "smoke-worker"])("%s has code that this engine takes", (name) => {
    const folder = join(joined, name);
    const [cache, ...others] = readdirSync(folder).filter((file) => file.endsWith(".cache"));
    expect(others).toEqual([]);
    const source = readFileSync(join(folder, "all.cjs"), "latin1");
    expect(cache).toContain(source.slice(-17, -1));
    // Built by another Node: its code is not for this engine, and it passes it over (below).
    if (cache?.includes(`-v8-${process.versions.v8}-`) !== true) return;
    const code = readFileSync(join(folder, cache ?? ""));
    const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
      cachedData: code.subarray(0, code.length / 2),
    });
    expect(script.cachedDataRejected).toBe(false);
    // Not in text, which holds the first code of threads.
    expect(source).not.toMatch(/\bimport\("/u);
  });

  it("are what wasme test runs, in both threads, and nothing beside them", async () => {
    const files = await filesOfTest();
    expect(files.filter((file) => file.endsWith("/all.cjs")).toSorted()).toEqual([
      "joined/main/all.cjs",
      "joined/test-worker/all.cjs",
    ]);
    expect(files.filter((file) => !file.startsWith("joined/"))).toEqual([]);
  });

  it("are left for the files with source maps when those are asked for", async () => {
    const files = await filesOfTest({ NODE_OPTIONS: "--enable-source-maps" });
    expect(files).toContain("cli/main.js");
    expect(files.filter((file) => file.startsWith("joined/"))).toEqual([]);
  });
});

describe("loading a joined file", () => {
  interface Loader {
    load(file: string): { readonly from: string } | undefined;
    cacheOf(file: string, source: string): string;
    compile(file: string, source: string): Script;
    codeOf(script: Script): Buffer;
    readonly loaded: readonly unknown[];
  }

  const SOURCE = `exports.from = "joined"; exports.part = () => require("./part.cjs").all;\n// 0123456789abcdef\n`;

  function program(): { readonly file: string; readonly all: string; readonly loader: Loader } {
    const folder = tempDir();
    for (const name of ["bin", "dist/cli", "dist/joined/main"]) mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, "bin/joined.cjs"), join(folder, "bin/joined.cjs"));
    const file = join(folder, "dist/cli/main.js");
    const all = join(folder, "dist/joined/main/all.cjs");
    writeFileSync(file, "");
    writeFileSync(all, SOURCE);
    writeFileSync(join(folder, "dist/joined/main/part.cjs"), `exports.all = require("./all.cjs");`);
    return { file, all, loader: createRequire(file)("../../bin/joined.cjs") as Loader };
  }

  it.each(["no", "fitting", "spoilt", "damaged"])("works with %s code of the build", (which) => {
    const { file, all, loader } = program();
    const cache = loader.cacheOf(all, SOURCE);
    const code = loader.codeOf(loader.compile(all, SOURCE));
    // A byte that the engine does not check: it crashes on such.
    if (which === "damaged") code[100] = (code[100] ?? 0) ^ 0x5a;
    if (which === "fitting" || which === "damaged") writeFileSync(cache, code);
    if (which === "spoilt") writeFileSync(cache, "spoilt");
    const exported = loader.load(file) as { readonly from: string; part(): unknown };
    expect(exported.from).toBe("joined");
    // What is loaded later gets the same one, not another.
    expect(exported.part()).toBe(exported);
    expect(loader.loaded).toHaveLength(which === "fitting" ? 1 : 0);
  });

  it("is refused when the compiler wrote something newer, or nothing was joined", () => {
    const { file, all, loader } = program();
    utimesSync(all, 1, 1);
    expect(loader.load(file)).toBeUndefined();
    const other = join(file, "../other.js");
    writeFileSync(other, "");
    expect(loader.load(other)).toBeUndefined();
  });

  it("leaves wasme whole without any", () => {
    const folder = tempDir();
    execFileSync("cp", ["-r", join(root, "bin"), join(root, "dist"), join(root, "package.json"), folder]);
    execFileSync("ln", ["-s", join(root, "node_modules"), join(folder, "node_modules")]);
    execFileSync("rm", ["-r", join(folder, "dist/joined")]);
    const shown = execFileSync(process.execPath, [join(folder, "bin/wasme.js"), "test", "--help"], {
      encoding: "utf8",
    });
    expect(shown).toContain("wasme test [options] [paths...]");
  });
});
