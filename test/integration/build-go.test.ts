import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { freePorts } from "../components/ports.ts";
import { runOk } from "../components/run.ts";
import { fakeProgram, writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { buildFailure, buildProject, FILTERS, needGo } from "./toolchain-support.ts";

const go = { language: "go" } as const;
const MOD = "module example.com/filter\n\ngo 1.24.0\n";

async function fixture(): Promise<string> {
  const folder = join(tempDir(), "filter");
  await cp(join(FILTERS, "go-hello"), folder, { recursive: true });
  return folder;
}

describe("a filter on the SDK", () => {
  it("has the same digest from two folders and two homes, and is linked anew only after a change", async (context) => {
    const env = await needGo(context);
    const [one, two] = [await fixture(), await fixture()];
    const first = await buildProject({ ...go, source: one, env });
    expect(checkModule(first.bytes)).toMatchObject({ ok: true });
    expect(first.facts).toMatchObject({
      language: "go",
      compiler: expect.stringMatching(/^go 1\.\d/u),
      sdk: expect.stringMatching(/^proxy-wasm-go-sdk v0/u),
      target: "wasip1",
      builder: "native",
    });
    const again = await buildProject({ ...go, source: one, env });
    expect(again.bytes.equals(first.bytes)).toBe(true);
    // Modules from a mirror of this machine's own; what is compiled stays apart.
    const { stdout } = await runOk("go", ["env", "GOMODCACHE"], { env: { ...env } });
    const proxy = `file://${join(stdout.trim(), "cache", "download")}`;
    const home = { GOPATH: join(tempDir(), "gopath"), GOFLAGS: "-modcacherw", GOPROXY: proxy, GONOSUMDB: "*" };
    const second = await buildProject({ ...go, source: two, env: { ...env, ...home } });
    expect(digestOf(second.bytes)).toBe(digestOf(first.bytes));
  });

  it("keeps the user's own GOFLAGS", async (context) => {
    const env = await needGo(context);
    const folder = await writeTree(tempDir(), {
      "go.mod": MOD,
      "main.go": "//go:build mine\n\npackage main\n\nfunc main() {}\n",
    });
    const { error } = await buildFailure({ ...go, source: folder, env });
    expect(error).toMatchObject({ code: "NO_GO_FILES", kind: "usage" });
    await buildProject({ ...go, source: folder, env: { ...env, GOFLAGS: "-tags=mine" } });
  });
});

describe("bad input", () => {
  async function failing(
    context: TestContext,
    files: Readonly<Record<string, string>>,
    env: NodeJS.ProcessEnv = {},
  ): ReturnType<typeof buildFailure> {
    const base = await needGo(context);
    const source = await writeTree(tempDir(), { "go.mod": MOD, ...files });
    return await buildFailure({ ...go, source, env: { ...base, ...env } });
  }

  it("is shown as the compiler prints it, then said in one sentence", async (context) => {
    const { error, output } = await failing(context, {
      "main.go": 'package main\n\nfunc main() { var x int = "a" }\n',
    });
    expect(error).toMatchObject({
      code: "COMPILE_FAILED",
      kind: "build-failed",
      hint: expect.stringMatching(/^go 1/u),
    });
    expect(error.message).toMatch(/^cannot compile the filter: .*main\.go:3:\d+: /u);
    expect(output).toContain("./main.go:3:");
  });

  it.each([
    ["no package main", { "main.go": "package filter\n" }, "NO_MAIN_PACKAGE"],
    ["no function main", { "main.go": "package main\n" }, "COMPILE_FAILED"],
    ["no Go files", { README: "" }, "NO_GO_FILES"],
    ["a broken go.mod", { "go.mod": "module x\nnonsense y\n", "main.go": "package main\n" }, "GO_MOD_INVALID"],
    ["a newer Go wanted", { "go.mod": "module x\ngo 1.999\n", "main.go": "package main\n" }, "TOOL_UNFIT"],
    [
      "an import from nowhere",
      { "main.go": 'package main\nimport _ "example.com/x"\nfunc main() {}\n' },
      "GO_MODULE_NOT_REQUIRED",
    ],
  ])("%s: %j", async (_, files, code) => {
    const context = { skip: () => undefined } as unknown as TestContext;
    const { error } = await failing(context, files, { GOTOOLCHAIN: "local" });
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/./u) });
  });

  it("in go.sum, and modules that are refused or cannot be reached, are told apart", async (context) => {
    const env = await needGo(context);
    const source = await fixture();
    const [port = 0] = await freePorts(1);
    const empty = { ...env, GOPATH: tempDir(), GOFLAGS: "-modcacherw", GOPROXY: `http://127.0.0.1:${port}` };
    const refused = await buildFailure({ ...go, source, env: empty, request: { install: false } });
    expect(refused.error).toMatchObject({ code: "INSTALL_REFUSED", kind: "usage" });
    const unreachable = await buildFailure({ ...go, source, env: empty });
    expect(unreachable.error).toMatchObject({ code: "GO_PROXY_UNREACHABLE", kind: "unreachable" });
    await rm(join(source, "go.sum"));
    const { error } = await buildFailure({ ...go, source, env });
    expect(error).toMatchObject({ code: "GO_SUM_MISSING", hint: expect.stringContaining("go mod tidy") });
  });
});

describe("a Go that cannot build filters", () => {
  async function withFake(script: string | undefined): ReturnType<typeof buildFailure> {
    const bin = tempDir();
    if (script !== undefined) await fakeProgram(bin, "go", script);
    const source = await writeTree(tempDir(), { "go.mod": MOD });
    return await buildFailure({ ...go, source, env: { PATH: bin } });
  }

  it("is missing, or told with the version that is needed", async () => {
    expect((await withFake(undefined)).error).toMatchObject({ code: "TOOL_MISSING" });
    const old = await withFake(`echo '{"GOVERSION": "go1.19.8", "GOMOD": "/x/go.mod"}'`);
    expect(old.error).toMatchObject({
      code: "TOOL_UNFIT",
      message: "Go 1.19.8 is here; filters need Go 1.24 or newer",
    });
    const switching = await withFake(`echo '{"GOVERSION": "go1.22.1", "GOMOD": "/x/go.mod", "GOTOOLCHAIN": "local"}'`);
    expect(switching.error.hint).toContain("go mod edit -go=1.24.0");
    expect(switching.error.hint).toContain("GOTOOLCHAIN=auto");
  });

  it("is the wrong compiler for a project on TinyGo's SDK", async (context) => {
    const env = await needGo(context);
    const source = await writeTree(tempDir(), {
      "go.mod": `${MOD}require github.com/tetratelabs/proxy-wasm-go-sdk v0.24.0\n`,
    });
    const { error } = await buildFailure({ ...go, source, env });
    expect(error).toMatchObject({ code: "SDK_UNFIT", hint: expect.stringContaining("build tinygo") });
  });

  it("is told when there is no module at all", async (context) => {
    const env = await needGo(context);
    const { error } = await buildFailure({ ...go, source: tempDir(), env });
    expect(error).toMatchObject({ code: "GO_MOD_MISSING", kind: "usage" });
  });
});
