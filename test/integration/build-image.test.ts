import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildImage, type BuildImageDeps, type BuildImageRequest } from "../../src/images/build-image.ts";
import { buildPrecompiled } from "../../src/images/build-precompiled.ts";
import { openStore } from "../../src/store/image-store.ts";
import { waitFor } from "../components/wait.ts";
import { failure } from "../support/failure.ts";
import { filterModule } from "../support/wasm-builder.ts";
import { emptyFolder, recorder, templateProject, toolchainDeps } from "./build-support.ts";

const ignore = (): void => undefined;

async function world(overrides: Partial<BuildImageDeps> = {}): Promise<BuildImageDeps & { readonly tmp: string }> {
  const [home, tmp, cwd] = [await emptyFolder(), await emptyFolder(), await emptyFolder()];
  return { ...toolchainDeps(), store: openStore(join(home, "images")), paths: { home, tmp }, cwd, tmp, ...overrides };
}

function request(source: string, more: Partial<BuildImageRequest> = {}): BuildImageRequest {
  return {
    tag: "localhost:5000/hello:v1",
    source,
    builder: "auto",
    install: false,
    optimize: true,
    check: true,
    ...more,
  };
}

async function names(deps: Pick<BuildImageDeps, "store">): Promise<readonly string[]> {
  const entries = await (deps.store as ReturnType<typeof openStore>).entries();
  return entries.map((entry) => entry.reference);
}

describe("build", () => {
  it("stores the module under its name, with the project's runtime config", async (context) => {
    const deps = await world();
    const source = await templateProject(context);
    const result = await buildImage(deps, request(source), ignore);
    expect(result).toMatchObject({
      reference: "localhost:5000/hello:v1",
      language: "assemblyscript",
      toolchain: "assemblyscript 0.28.20",
      checked: true,
      runtimeConfig: { type: "envoy_proxy", abiVersions: ["v0.2.1"] },
      runtimeConfigSource: { origin: "file", path: join(source, "runtime-config.json") },
    });
    expect(await names(deps)).toEqual(["localhost:5000/hello:v1"]);
    expect(await readdir(deps.tmp)).toEqual([]);
  });

  it("gives equal digests for equal sources in two folders", async (context) => {
    const deps = await world();
    const one = await buildImage(deps, request(await templateProject(context, "same")), ignore);
    const two = await buildImage(deps, request(await templateProject(context, "same"), { tag: "other:v2" }), ignore);
    expect([two.manifestDigest, two.moduleDigest]).toEqual([one.manifestDigest, one.moduleDigest]);
  });

  it("takes relative paths from the working directory, keeps --tmp-dir and copies to --out", async (context) => {
    const source = await templateProject(context, "hello");
    const deps = await world({ cwd: join(source, "..") });
    const result = await buildImage(deps, request("hello", { out: "dist/my.wasm", tmpDir: "work" }), ignore);
    const [copy, kept] = [join(deps.cwd, "dist/my.wasm"), join(deps.cwd, "work/filter.wasm")];
    expect(result.out).toBe(copy);
    expect((await readFile(copy)).equals(await readFile(kept))).toBe(true);
    expect(await readdir(join(deps.cwd, "dist"))).toEqual(["my.wasm"]);
  });

  it("derives a missing runtime config from the module and says so", async (context) => {
    const deps = await world();
    const source = await templateProject(context);
    await rm(join(source, "runtime-config.json"));
    const { events, sink } = recorder();
    const result = await buildImage(deps, request(source), sink);
    expect(result.runtimeConfig).toEqual({ type: "envoy_proxy", abiVersions: ["v0.2.1"] });
    expect(result.runtimeConfigSource).toEqual({ origin: "module" });
    const said = events.flatMap((event) => (event.type === "milestone" ? [event.message] : []));
    expect(said.join("\n")).toContain("derived from the built module");
    expect(said.join("\n")).not.toContain(deps.tmp);
  });

  it.each([
    ["a bad name", { tag: "Bad Name" }, "REFERENCE_INVALID"],
    ["a name with a digest", { tag: `a@sha256:${"0".repeat(64)}` }, "TAG_TARGET_INVALID"],
    ["a language that cannot be built", { language: "cobol" }, "LANGUAGE_UNKNOWN"],
    ["a missing runtime config", { runtimeConfig: "nowhere.json" }, "FILE_NOT_FOUND"],
    ["a folder as output", { out: "." }, "OUT_IS_FOLDER"],
    ["no source folder", { source: "nowhere" }, "SOURCE_NOT_FOUND"],
    ["nothing recognised", { source: "." }, "LANGUAGE_NOT_RECOGNISED"],
  ])("refuses %s before anything runs", async (_, more, code) => {
    const deps = await world({ exec: () => Promise.reject(new Error("nothing may run")) });
    const source = await emptyFolder();
    await writeFile(join(source, "package.json"), '{"devDependencies":{"assemblyscript":"1"}}');
    const work = buildImage(deps, request(source, { install: true, ...more }), ignore);
    expect(await failure(work)).toMatchObject({ kind: "usage", code });
    expect(await readdir(deps.tmp)).toEqual([]);
  });

  it("stores nothing when a module would not load, and names the import", async (context) => {
    const deps = await world();
    const source = await templateProject(context);
    const entry = join(source, "assembly/index.ts");
    await writeFile(entry, `${await readFile(entry, "utf8")}\nexport function r(): f64 { return Math.random(); }\n`);
    const out = join(deps.cwd, "f.wasm");
    const error = await failure(buildImage(deps, request(source, { out }), ignore));
    expect(error).toMatchObject({ kind: "incompatible", code: "MODULE_UNKNOWN_IMPORT" });
    expect(error.message).toContain("the built module imports env.seed");
    expect(await names(deps)).toEqual([]);
    expect(await readdir(deps.cwd)).toEqual([]);

    const { events, sink } = recorder();
    const result = await buildImage(deps, request(source, { check: false }), sink);
    expect(result.checked).toBe(false);
    expect(events.find((event) => event.type === "warning")).toMatchObject({
      message: expect.stringContaining("the built module imports env.seed"),
    });
    expect(await names(deps)).toEqual(["localhost:5000/hello:v1"]);
  });

  it("leaves nothing behind when it is aborted in the middle", async (context) => {
    const controller = new AbortController();
    const deps = await world({ signal: controller.signal });
    const source = await templateProject(context);
    const started = join(await emptyFolder(), "started");
    await writeFile(
      join(source, "spin.mjs"),
      `import { writeFileSync } from "node:fs";\nexport default class { afterParse() { writeFileSync(${JSON.stringify(started)}, ""); for (;;) {} } }\n`,
    );
    const manifest = await readFile(join(source, "package.json"), "utf8");
    await writeFile(join(source, "package.json"), manifest.replaceAll("assembly/proxy-wasm/export-only-used", "spin"));
    const work = buildImage(deps, request(source), ignore).catch((error: unknown) => error);
    await waitFor("the compiler to start", () => stat(started).catch(() => undefined));
    controller.abort(new Error("interrupted"));
    expect(await work).toMatchObject({ message: "interrupted" });
    expect(await names(deps)).toEqual([]);
    expect(await readdir(deps.tmp)).toEqual([]);
  });
});

describe("build precompiled", () => {
  it("takes the runtime config beside the module, else of the working directory, else derives it", async () => {
    const deps = await world();
    const folder = join(deps.cwd, "target");
    await mkdir(folder);
    await writeFile(join(folder, "f.wasm"), filterModule());
    const build = (): ReturnType<typeof buildPrecompiled> =>
      buildPrecompiled(deps, { tag: "f:v1", file: "target/f.wasm", check: true }, ignore);
    expect((await build()).runtimeConfigSource).toEqual({ origin: "module" });
    for (const path of [join(deps.cwd, "runtime-config.json"), join(folder, "runtime-config.json")]) {
      await writeFile(path, '{"type":"envoy_proxy","config":{"rootIds":["r"]}}');
      expect(await build()).toMatchObject({
        runtimeConfigSource: { origin: "file", path },
        runtimeConfig: { config: { rootIds: ["r"] } },
      });
    }
    expect(await names(deps)).toEqual(["docker.io/library/f:v1"]);
  });

  it.each([
    ["a text", Buffer.from("hello"), "usage", "MODULE_NOT_WASM"],
    ["a cut off module", filterModule().subarray(0, 30), "usage", "MODULE_INVALID"],
    ["a component", Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), "incompatible", "MODULE_IS_COMPONENT"],
  ])("refuses %s", async (_, bytes, kind, code) => {
    const deps = await world();
    await writeFile(join(deps.cwd, "f.wasm"), bytes);
    const error = await failure(buildPrecompiled(deps, { tag: "f:v1", file: "f.wasm", check: true }, ignore));
    expect(error).toMatchObject({ kind, code });
    expect(error.message).toMatch(/^f\.wasm /u);
    expect(await names(deps)).toEqual([]);
  });

  it("says that a file is not there", async () => {
    const deps = await world();
    const error = await failure(buildPrecompiled(deps, { tag: "f:v1", file: "f.wasm", check: true }, ignore));
    expect(error).toMatchObject({ kind: "usage", code: "FILE_NOT_FOUND" });
  });
});
