import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assemblyscript } from "../../src/toolchain/assemblyscript/runner.ts";
import type { BuiltModule, ToolchainDeps, ToolchainRequest } from "../../src/toolchain/runner.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { freePorts } from "../components/ports.ts";
import { runOk } from "../components/run.ts";
import { waitFor } from "../components/wait.ts";
import { failure } from "../support/failure.ts";
import {
  emptyFolder,
  FIXTURES,
  fixtureProject,
  outputOf,
  recorder,
  templateProject,
  toolchainDeps,
} from "./build-support.ts";

const ignore = (): void => undefined;

async function build(
  source: string,
  request: Partial<ToolchainRequest> = {},
  deps: ToolchainDeps = toolchainDeps(),
): Promise<BuiltModule & { readonly bytes: Buffer }> {
  const outDir = await emptyFolder();
  const built = await assemblyscript.build(
    deps,
    { source, outDir, builder: "auto", install: false, optimize: true, ...request },
    ignore,
  );
  return { ...built, bytes: await readFile(built.modulePath) };
}

async function tree(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((path) => !path.startsWith("node_modules")).toSorted();
}

describe("the template", () => {
  it("compiles to a module that proxies load, and changes nothing in the project", async (context) => {
    const source = await templateProject(context);
    const before = await tree(source);
    const built = await build(source);
    expect(checkModule(built.bytes)).toMatchObject({ ok: true, abi: "0.2.1" });
    expect(built.toolchain).toBe("assemblyscript 0.28.20");
    expect(await tree(source)).toEqual(before);
  });

  it("gives the same bytes from two folders, and the same as its own npm script", async (context) => {
    const [one, two] = [await templateProject(context, "one"), await templateProject(context, "quite-another")];
    await writeFile(join(two, "package.json"), await readFile(join(one, "package.json")));
    const [first, second] = [await build(one), await build(two)];
    expect(first.bytes.equals(second.bytes)).toBe(true);
    const byNpm = await build(two, { builder: "npm" });
    expect(byNpm.bytes.equals(first.bytes)).toBe(true);
    await expect(stat(join(two, "build", "release.wasm"))).resolves.toBeDefined();
  });

  it("exports only the callbacks the filter overrides", async (context) => {
    const { bytes } = await build(await templateProject(context));
    const { callbacks } = checkModule(bytes);
    expect(callbacks).toContain("proxy_on_response_headers");
    expect(callbacks).not.toContain("proxy_on_request_headers");
  });

  it("installs the compiler by the lock file when node_modules lacks it", async (context) => {
    await templateProject(context); // the registry is there
    const source = await copyWithout(await templateProject(context), "node_modules");
    const { events, sink } = recorder();
    const outDir = await emptyFolder();
    const before = await tree(source);
    const request = { source, outDir, builder: "auto", install: true, optimize: true } as const;
    const built = await assemblyscript.build(toolchainDeps(), request, sink);
    expect(checkModule(await readFile(built.modulePath)).ok).toBe(true);
    expect(events.filter((event) => event.type === "task.end")).toMatchObject([
      { id: "install", ok: true },
      { id: "compile", ok: true },
    ]);
    expect(await tree(source)).toEqual(before);
  });
});

describe("a filter that does not compile", () => {
  it("is told by the compiler's own lines and one error with the place", async (context) => {
    const source = await templateProject(context);
    const line = await appendCode(source, 'export function f(): i32 {\n  return "no number";\n}\n');
    const { events, sink } = recorder();
    const request = { source, outDir: await emptyFolder(), builder: "auto", install: false, optimize: true } as const;
    const error = await failure(assemblyscript.build(toolchainDeps(), request, sink));
    expect(error).toMatchObject({ kind: "build-failed", code: "COMPILE_FAILED" });
    expect(error.message).toContain(`assembly/index.ts:${line + 1}:10: Type `);
    expect(error.details).toMatchObject({ diagnostics: [{ file: "assembly/index.ts", line: line + 1, code: 2322 }] });
    expect(outputOf(events)).toContain("ERROR TS2322");
    expect(outputOf(events)).toContain(`in assembly/index.ts(${line + 1},10)`);
    expect(outputOf(events)).not.toContain(source);
  });

  it("names the import path of today's compilers", async (context) => {
    const source = await fixtureProject(context, "assemblyscript-proxy-runtime-0.1.8");
    const file = join(source, "assembly/index.ts");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll("proxy-runtime/assembly", "proxy-runtime"));
    const error = await failure(build(source));
    expect(error.message).toContain("TS6054");
    expect(error.hint).toContain('"@solo-io/proxy-runtime/assembly"');
  });

  it("is not believed when the compiler ends the process", async (context) => {
    const source = await templateProject(context);
    await useTransform(source, "console.error('bye'); process.exit(3);");
    const { events, sink } = recorder();
    const request = { source, outDir: await emptyFolder(), builder: "auto", install: false, optimize: true } as const;
    const error = await failure(assemblyscript.build(toolchainDeps(), request, sink));
    expect(error).toMatchObject({ kind: "build-failed" });
    expect(error.message).toContain("exit code 3");
    expect(events.at(-1)).toMatchObject({ type: "task.end", ok: false });
  });
});

describe("an abort", () => {
  it("ends the compiler in the middle of its work", async (context) => {
    const source = await templateProject(context);
    const started = join(await emptyFolder(), "started");
    await useTransform(source, `writeFileSync(${JSON.stringify(started)}, ""); for (;;) {}`);
    const controller = new AbortController();
    const outDir = await emptyFolder();
    const request = { source, outDir, builder: "auto", install: false, optimize: true } as const;
    const work = assemblyscript.build(toolchainDeps({ signal: controller.signal }), request, ignore);
    const settled = work.catch(() => undefined);
    await waitFor("the transform to start", () => stat(started).catch(() => undefined));
    controller.abort(new Error("stop"));
    await settled;
    await expect(work).rejects.toThrow("stop");
    expect(await readdir(outDir)).toEqual([]);
  });
});

describe("projects of the old tool", () => {
  it("builds one of 2020, whose compiler is run by its own script", async (context) => {
    const source = await fixtureProject(context, "assemblyscript-2020");
    const built = await build(source);
    expect(built.toolchain).toMatch(/^assemblyscript 0\.9\./u);
    expect(checkModule(built.bytes)).toMatchObject({ ok: true, abi: "0.1.0" });
    expect((await tree(source)).filter((path) => !path.startsWith("build"))).toEqual(
      await tree(join(FIXTURES, "assemblyscript-2020")),
    );
  });

  it("does not take a module that an earlier run left", async (context) => {
    const source = await fixtureProject(context, "assemblyscript-2020");
    await mkdir(join(source, "build"));
    await writeFile(join(source, "build/optimized.wasm"), "old");
    await setScript(source, "node --version");
    const error = await failure(build(source));
    expect(error).toMatchObject({ code: "SCRIPT_WROTE_NOTHING", kind: "build-failed" });
  });

  it("builds one on proxy-runtime 0.1.8 with today's compiler", async (context) => {
    const source = await fixtureProject(context, "assemblyscript-proxy-runtime-0.1.8");
    const before = await tree(source);
    const built = await build(source);
    expect(built.toolchain).toBe("assemblyscript 0.28.20");
    expect(checkModule(built.bytes)).toMatchObject({ ok: true, abi: "0.2.0" });
    expect(await tree(source)).toEqual(before);
  });

  it("understands -b as the module's name and says so", async (context) => {
    const source = await fixtureProject(context, "assemblyscript-proxy-runtime-0.1.8");
    await setScript(source, "asc assembly/index.ts -b build/optimized.wasm -O3 --use abort=abort_proc_exit");
    const { events, sink } = recorder();
    const request = { source, outDir: await emptyFolder(), builder: "auto", install: false, optimize: true } as const;
    const built = await assemblyscript.build(toolchainDeps(), request, sink);
    expect(checkModule(await readFile(built.modulePath)).ok).toBe(true);
    expect(events.find((event) => event.type === "warning")).toMatchObject({ message: expect.stringContaining("-b") });
  });

  it("shows what its script printed when it fails", async (context) => {
    const source = await fixtureProject(context, "assemblyscript-2020");
    await appendCode(source, "export function f(): i32 { return nothing; }\n");
    const { events, sink } = recorder();
    const request = { source, outDir: await emptyFolder(), builder: "auto", install: false, optimize: true } as const;
    const error = await failure(assemblyscript.build(toolchainDeps(), request, sink));
    expect(error).toMatchObject({ code: "SCRIPT_FAILED", kind: "build-failed" });
    expect(error.message).toContain("Cannot find name 'nothing'");
    expect(outputOf(events)).toContain("assembly/index.ts");
    expect(outputOf(events)).not.toContain("npm error");
  });
});

describe("dependencies", () => {
  it("are not installed under --no-install", async () => {
    const source = await copyWithout(join(FIXTURES, "assemblyscript-2020"), "node_modules");
    const error = await failure(build(source, { install: false, optimize: true }));
    expect(error).toMatchObject({ code: "INSTALL_REFUSED", kind: "usage" });
    expect(error.hint).toContain("npm ci");
    await expect(stat(join(source, "node_modules"))).rejects.toThrow("ENOENT");
  });

  it("give one clear error when the registry cannot be reached", async () => {
    const source = await copyWithout(join(FIXTURES, "assemblyscript-2020"), "node_modules");
    const [port = 0] = await freePorts(1);
    const env = {
      ...process.env,
      npm_config_registry: `http://127.0.0.1:${port}/`,
      npm_config_fetch_retries: "0",
      npm_config_cache: await emptyFolder(),
    };
    const { events, sink } = recorder();
    const request = { source, outDir: await emptyFolder(), builder: "auto", install: true, optimize: true } as const;
    const error = await failure(assemblyscript.build(toolchainDeps({ env }), request, sink));
    expect(error).toMatchObject({ code: "NPM_UNREACHABLE", kind: "unreachable" });
    expect(error.message).toContain(`http://127.0.0.1:${port}`);
    expect(outputOf(events)).not.toContain("npm error");
  });

  it("must be named in package.json", async () => {
    const source = await emptyFolder();
    await writeFile(join(source, "package.json"), "{}");
    expect(await failure(build(source, { install: true, optimize: true }))).toMatchObject({
      code: "COMPILER_NOT_NAMED",
      kind: "usage",
    });
  });

  it("say that the lock file does not fit", async (context) => {
    const source = await copyWithout(await templateProject(context), "node_modules");
    const manifest = join(source, "package.json");
    await writeFile(manifest, (await readFile(manifest, "utf8")).replace("0.28.20", "0.28.0"));
    const error = await failure(build(source, { install: true, optimize: true }));
    expect(error).toMatchObject({ code: "NPM_LOCK_OUTDATED", kind: "usage" });
  });

  it("are found from inside another npm script", async (context) => {
    const source = await copyWithout(join(FIXTURES, "assemblyscript-2020"), "node_modules");
    await fixtureProject(context, "assemblyscript-2020"); // the registry is there
    const outer = await emptyFolder();
    await writeFile(join(outer, "package.json"), '{"scripts":{"env":"node -p \'JSON.stringify(process.env)\'"}}');
    const { stdout } = await runOk("npm", ["run", "--silent", "env"], { cwd: outer });
    const env = JSON.parse(stdout) as NodeJS.ProcessEnv;
    const built = await build(source, { install: true, optimize: true }, toolchainDeps({ env }));
    expect(checkModule(built.bytes).ok).toBe(true);
    expect(await readdir(outer)).toEqual(["package.json"]);
  });
});

async function setScript(source: string, script: string): Promise<void> {
  const file = join(source, "package.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as { scripts: Record<string, string> };
  manifest.scripts["asbuild"] = script;
  await writeFile(file, JSON.stringify(manifest));
}

/** Adds code to the filter and returns the line it starts at. */
async function appendCode(source: string, code: string): Promise<number> {
  const file = join(source, "assembly/index.ts");
  const text = await readFile(file, "utf8");
  await writeFile(file, text + code);
  return text.split("\n").length;
}

/** Makes the project's build run `code` inside the compiler. */
async function useTransform(source: string, code: string): Promise<void> {
  await writeFile(
    join(source, "spoil.mjs"),
    `import { writeFileSync } from "node:fs";\nexport default class { afterParse() { ${code} } }\n`,
  );
  await setScript(source, "asc assembly/index.ts --target release --transform ./spoil.mjs");
}

async function copyWithout(project: string, name: string): Promise<string> {
  const folder = join(await emptyFolder(), "project");
  await cp(project, folder, { recursive: true, filter: (path) => !path.endsWith(name) });
  await rm(join(folder, name), { recursive: true, force: true });
  return folder;
}
