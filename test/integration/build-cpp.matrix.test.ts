import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { cpp } from "../../src/toolchain/cpp/runner.ts";
import type { ToolchainDeps, ToolchainRequest } from "../../src/toolchain/runner.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { CPP_PROJECTS, cppProject } from "../components/cpp.ts";
import { need } from "../components/require-component.ts";
import { failure } from "../support/failure.ts";
import { emptyFolder, outputOf, recorder, toolchainDeps } from "./build-support.ts";

/** Each compilation takes some 5 s on a quiet machine. */
const TIMEOUT = 300_000;

async function starter(context: TestContext, name = "project"): Promise<string> {
  const folder = join(await emptyFolder(), name);
  await need(context, "clang", () => cppProject(CPP_PROJECTS.starter, folder));
  return folder;
}

interface Built {
  readonly bytes: Buffer;
  /** Names of the tasks that ran. */
  readonly tasks: readonly string[];
  readonly facts: object;
}

async function npmRequest(source: string): Promise<ToolchainRequest> {
  return { source, outDir: await emptyFolder(), builder: "npm", install: false, optimize: false };
}

async function build(source: string, deps: ToolchainDeps, request: Partial<ToolchainRequest> = {}): Promise<Built> {
  const { events, sink } = recorder();
  const { modulePath, facts } = await cpp.build(deps, { ...(await npmRequest(source)), ...request }, sink);
  const tasks = events.flatMap((event) => (event.type === "task.start" ? [event.id] : []));
  return { bytes: await readFile(modulePath), tasks, facts };
}

describe("npm clang", { timeout: TIMEOUT }, () => {
  it("makes a small module of the starter, the same in every folder, and takes it from the cache when nothing changed", async (context) => {
    const [one, two] = [await starter(context, "one"), await starter(context, "quite-another")];
    const deps = toolchainDeps();
    const first = await build(one, deps);
    expect(checkModule(first.bytes)).toMatchObject({ ok: true, abi: "0.2.1" });
    expect(first.bytes.length).toBeLessThan(30_000);
    expect(first.facts).toMatchObject({
      language: "cpp",
      compiler: "clang 22.0.0-git20542-10",
      target: "wasm32-wasip1",
      builder: "npm",
      inputHash: expect.stringMatching(/^sha256:/u),
    });
    // Another home: compiled anew, in another folder.
    const second = await build(two, toolchainDeps());
    expect([first.tasks, second.tasks]).toEqual([["compile"], ["compile"]]);
    expect(second.bytes.equals(first.bytes)).toBe(true);

    await writeFile(join(one, "README.md"), "changed");
    const again = await build(one, deps);
    expect(again.tasks).toEqual([]);
    expect(again.bytes.equals(first.bytes)).toBe(true);
    const header = join(one, "src/proxy-wasm.h");
    await writeFile(header, (await readFile(header, "utf8")).replace("is registered for root id", "is here for"));
    const changed = await build(one, deps);
    expect(changed.tasks).toEqual(["compile"]);
    expect(changed.bytes.includes("is here for")).toBe(true);
  });

  it("shows an error where it is in the project, and says what to do", async (context) => {
    const folder = await starter(context);
    await writeFile(join(folder, "src/filter.cc"), "#include <string>\nint x = nothing;\n");
    const { events, sink } = recorder();
    const request = await npmRequest(folder);
    const error = await failure(cpp.build(toolchainDeps(), request, sink));
    expect(error).toMatchObject({ code: "COMPILE_FAILED", kind: "build-failed" });
    expect(error.message).toMatch(/^cannot compile the filter: src\/filter\.cc:2:9: error: /u);
    expect(outputOf(events)).toContain("int x = nothing;");
    // 105 MB are read without a word about it.
    expect(outputOf(events)).not.toMatch(/fetch|MB|%/iu);
  });

  it("ends at once when it is told to, with its half gigabyte", async (context) => {
    const folder = await starter(context);
    const stop = new AbortController();
    const deps = toolchainDeps({ signal: stop.signal });
    const children: Promise<unknown>[] = [];
    const exec: ToolchainDeps["exec"] = (...call) => {
      const child = deps.exec(...call);
      children.push(child);
      setTimeout(() => stop.abort(new Error("enough")), 300);
      return child;
    };
    const request = await npmRequest(folder);
    await expect(cpp.build({ ...deps, exec }, request, () => undefined)).rejects.toThrow("enough");
    expect(children).toHaveLength(1);
    await expect(children[0]).rejects.toThrow("enough");
  });
});

describe("without npm clang in the project", () => {
  async function bare(files: Readonly<Record<string, string>>): Promise<string> {
    const folder = await emptyFolder();
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return folder;
  }
  const outside = async (): Promise<ToolchainDeps> => toolchainDeps({ env: { PATH: await emptyFolder() } });

  it("a build that may not install it says so", async () => {
    const folder = await bare({ "f.cc": "", "package.json": '{"devDependencies":{"@yowasp/clang":"1"}}' });
    expect(await failure(build(folder, await outside(), { builder: "auto" }))).toMatchObject({
      code: "INSTALL_REFUSED",
      hint: expect.stringContaining("npm install"),
    });
  });

  it("a project that does not name it is told how to", async () => {
    const folder = await bare({ "f.cc": "" });
    expect(await failure(build(folder, await outside()))).toMatchObject({
      code: "COMPILER_NOT_NAMED",
      hint: expect.stringContaining("@yowasp/clang@22"),
    });
  });

  it("and without a compiler the ways to get one are told", async () => {
    const folder = await bare({ "f.cc": "" });
    expect(await failure(build(folder, await outside(), { builder: "auto" }))).toMatchObject({
      code: "TOOL_MISSING",
      hint: expect.stringMatching(/@yowasp\/clang@22.*; or \S/u),
    });
  });

  it("a makefile without make is told", async () => {
    const folder = await bare({ "f.cc": "", Makefile: "all:\n" });
    expect(await failure(build(folder, await outside(), { builder: "auto" }))).toMatchObject({
      code: "TOOL_MISSING",
      message: expect.stringContaining("make"),
    });
  });

  it("a Bazel project is one for a container", async () => {
    const folder = await bare({ BUILD: "wasm_cc_binary()", WORKSPACE: "" });
    expect(await failure(build(folder, await outside(), { builder: "auto" }))).toMatchObject({
      code: "TOOL_UNFIT",
      hint: expect.stringContaining("--builder container"),
    });
  });

  it("the starter's lock file names its compiler and no registry", async (context) => {
    const folder = await starter(context);
    const lock = await readFile(join(folder, "package-lock.json"), "utf8");
    expect(lock).toContain('"node_modules/@yowasp/clang"');
    expect(lock).not.toMatch(/https?:/u);
    await rm(join(folder, "node_modules"));
    expect(await failure(build(folder, await outside()))).toMatchObject({
      code: "INSTALL_REFUSED",
      hint: expect.stringContaining("npm ci"),
    });
  });
});
