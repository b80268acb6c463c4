import { readdir, readFile, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { WasmeError } from "../../src/domain/errors.ts";
import { engineReport } from "../../src/toolchain/container/report.ts";
import { writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { toolchainDeps } from "./build-support.ts";
import { containerFailure, goProject, inContainer, type PlayedEngine, playEngine } from "./container-support.ts";

const USUAL = "/usr/bin:/bin";
const me = `${process.getuid?.()}:${process.getgid?.()}`;

/** The engine before the programs of the system: its fake needs a shell's. */
function pathOf({ folder }: PlayedEngine): string {
  return `${folder}:${USUAL}`;
}

/** The value behind an option, for each time it is there. */
function values(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((word, index) => (args[index - 1] === option ? [word] : []));
}

const missing = "echo 'Error: No such image' >&2; exit 1";

describe("the container of a language", () => {
  it("sees the source read-only, runs as the caller, and is gone afterwards", async () => {
    const engine = await playEngine("docker", {
      run: `echo 'go1.26.1' > "$out/compiler"; printf 'a module' > "$out/filter.wasm"`,
    });
    const [source, home] = [await goProject(), tempDir()];
    const built = await inContainer({
      source,
      deps: { env: { PATH: pathOf(engine) }, paths: { home, tmp: "/tmp" } },
    });
    const args = await engine.runArguments();
    expect(args.slice(0, 3)).toEqual(["run", "--rm", "--name"]);
    expect(args[3]).toMatch(/^wasme-build-[0-9a-f]{12}$/u);
    expect(values(args, "--user")).toEqual([me]);
    expect(values(args, "--security-opt")).toEqual(["label=disable"]);
    expect(values(args, "--workdir")).toEqual(["/src/workspace"]);
    expect(args).not.toContain("--network");
    const [from, to, cache, own, ...more] = values(args, "--mount");
    expect(from).toBe(`type=bind,source=${source},target=/src/workspace,readonly`);
    expect(to).toMatch(/^type=bind,source=\S+,target=\/build_output$/u);
    expect(cache).toBe(`type=bind,source=${home}/cache/containers/go/shared,target=/cache`);
    expect(own).toContain(`source=${home}/cache/containers/go/projects/`);
    expect(more).toEqual([]);
    expect(values(args, "-e")).toEqual(expect.arrayContaining(["HOME=/cache/home", "GOOS=wasip1", "GOARCH=wasm"]));
    expect((await stat(join(home, "cache/containers/go/shared/home"))).uid).toBe(process.getuid?.());
    expect(args.slice(-4, -1)).toEqual(["docker.io/library/golang:1.26", "sh", "-c"]);
    expect(args.at(-1)).toContain(
      "go build -trimpath -buildvcs=false -buildmode=c-shared -o /build_output/filter.wasm .",
    );
    expect((await engine.seen()).stdin).toBe("");
    expect(built).toMatchObject({
      toolchain: "go 1.26.1 in docker.io/library/golang:1.26",
      facts: { language: "go", compiler: "go 1.26.1", builder: "container", sdk: "proxy-wasm-go-sdk v0.1.0" },
    });
    expect(await readFile(built.modulePath, "utf8")).toBe("a module");
    expect(await readdir(built.outDir)).toEqual(["filter.wasm"]);
  });

  it("is not started again for the same sources, and is for others", async () => {
    const engine = await playEngine("docker", {});
    const [source, paths] = [await goProject(), { home: tempDir(), tmp: "/tmp" }];
    const deps = { env: { PATH: pathOf(engine) }, paths };
    const runs = async (): Promise<number> => (await engine.calls()).filter(([verb]) => verb === "run").length;
    await inContainer({ source, deps });
    const again = await inContainer({ source, deps });
    expect(await runs()).toBe(1);
    expect(await readFile(again.modulePath, "utf8")).toBe("a module");
    await writeTree(source, { "main.go": "package main\n\nfunc main() { println() }\n" });
    await inContainer({ source, deps });
    expect(await runs()).toBe(2);
  });

  it("gets proxies by name, so that their passwords are in no list of processes", async () => {
    const engine = await playEngine("docker", {});
    const env = {
      PATH: pathOf(engine),
      HTTPS_PROXY: "http://me:s3cret@proxy:3128",
      no_proxy: "a.example",
    };
    const { events } = await inContainer({ deps: { env } });
    const args = await engine.runArguments();
    expect(values(args, "-e")).toEqual(expect.arrayContaining(["HTTPS_PROXY", "no_proxy"]));
    expect(values(args, "-e")).not.toContain("HTTP_PROXY");
    expect(JSON.stringify([args, events])).not.toContain("s3cret");
    expect((await engine.seen()).env).toContain("HTTPS_PROXY=http://me:s3cret@proxy:3128");
  });

  it("has no network under --no-install, and its image has to be there", async () => {
    const engine = await playEngine("docker", {});
    const deps = { env: { PATH: pathOf(engine) } };
    await inContainer({ deps, request: { install: false } });
    const args = await engine.runArguments();
    expect(values(args, "--network")).toEqual(["none"]);
    expect(values(args, "-e")).toContain("GOPROXY=off");
    const other = await playEngine("docker", { inspect: missing });
    const { error } = await containerFailure({
      deps: { env: { PATH: pathOf(other) } },
      request: { install: false },
    });
    expect(error).toMatchObject({
      code: "BUILDER_IMAGE_MISSING",
      hint: expect.stringContaining("docker pull docker.io/library/golang:1.26"),
    });
    expect((await other.calls()).map(([verb]) => verb)).not.toContain("pull");
  });

  it("is called by the name of a mirror as the original is", async () => {
    const engine = await playEngine("docker", {});
    const image = "mirror.example:5000/library/golang:1.25@sha256:00";
    await inContainer({ deps: { env: { PATH: pathOf(engine) } }, request: { builder: "auto", image } });
    const args = await engine.runArguments();
    expect(args.at(-4)).toBe(image);
    expect(args.at(-1)).toContain("go build");
  });
});

describe("TinyGo's image", () => {
  it.each([
    ["v0.24.0", "docker.io/tinygo/tinygo:0.38.0", [], "-target=wasip1"],
    ["v0.1.1", "docker.io/tinygo/tinygo:0.17.0", ["linux/amd64"], "-target=wasi"],
  ])("for SDK %s is %s", async (sdk, image, platform, target) => {
    const engine = await playEngine("docker", {});
    const source = await writeTree(tempDir(), {
      "go.mod": `module x\n\nrequire github.com/tetratelabs/proxy-wasm-go-sdk ${sdk}\n`,
    });
    const { facts } = await inContainer({ language: "tinygo", source, deps: { env: { PATH: pathOf(engine) } } });
    const args = await engine.runArguments();
    expect(args.at(-4)).toBe(image);
    expect(values(args, "--platform")).toEqual(platform);
    expect(args.at(-1)?.split(" ")).toContain(target);
    expect(facts.sdk).toBe(`proxy-wasm-go-sdk ${sdk}`);
  });
});

describe("whose user the container has", () => {
  it.each([
    ["docker", { info: `echo '["name=rootless"]'` }, ["0:0"], []],
    ["podman", { info: "echo 4.9.3 true" }, [me], ["keep-id"]],
    ["podman", { info: "echo 4.9.3 false" }, [me], []],
  ] as const)("%s %o", async (name, played, user, userns) => {
    const engine = await playEngine(name, played);
    const env = { PATH: pathOf(engine), ...(name === "podman" && { WASME_USE_PODMAN: "yes" }) };
    await inContainer({ deps: { env } });
    const args = await engine.runArguments();
    expect(values(args, "--user")).toEqual(user);
    expect(values(args, "--userns")).toEqual(userns);
  });
});

describe("a builder image of the old tool", () => {
  const image = "quay.io/acme/ee-builder:0.0.33";

  it("gets the inputs it knows, and a copy of the source that it may write to", async () => {
    const source = await writeTree(tempDir(), {
      BUILD: "wasm_cc_binary(name = 'filter.wasm')\n",
      "filter.cc": "",
      "node_modules/big/file": "",
      ".git/HEAD": "",
      "sub/file": "x",
    });
    const engine = await playEngine("docker", {
      run: `ls -A "$src" > "$state/listing"; touch "$src/left"; printf 'a module' > "$out/filter.wasm"`,
    });
    const built = await inContainer({
      language: "cpp",
      source,
      deps: { env: { PATH: pathOf(engine) } },
      request: { image, containerEnv: { TARGET: "//x:y.wasm" } },
    });
    const args = await engine.runArguments();
    expect(args.at(-1)).toBe(image);
    expect(values(args, "-e")).toEqual(
      expect.arrayContaining(["BUILD_TOOL=bazel", "BUILD_BASE=.", "BAZEL_OUTPUT=filter.wasm", "TARGET=//x:y.wasm"]),
    );
    const [from] = values(args, "--mount");
    expect(from).not.toContain(`${source},`);
    expect(from).not.toContain("readonly");
    expect((await readFile(join(engine.folder, "listing"), "utf8")).trim().split("\n")).toEqual([
      "BUILD",
      "filter.cc",
      "sub",
    ]);
    expect((await readdir(source)).toSorted()).toEqual([".git", "BUILD", "filter.cc", "node_modules", "sub"]);
    expect(await readdir(built.outDir)).toEqual(["filter.wasm"]);
    expect(built.facts).toMatchObject({ compiler: image, builder: "container" });
  });

  it.each([
    ["rust", { BUILD: "rust_binary(name = 'filter')\n" }, ["BUILD_TOOL=bazel", "TARGET=:filter"]],
    ["tinygo", { "go.mod": "module x\n" }, ["BUILD_TOOL=tinygo"]],
    [
      "assemblyscript",
      { "package.json": '{"scripts":{"asbuild":"asc a.ts -b build/x.wasm --optimize"}}' },
      ["BUILD_TOOL=npm", "NPM_OUTPUT=build/x.wasm"],
    ],
  ] as const)("is told how to build %s", async (language, files, expected) => {
    const engine = await playEngine("docker", {});
    const source = await writeTree(tempDir(), files);
    await inContainer({ language, source, deps: { env: { PATH: pathOf(engine) } }, request: { image } });
    expect(values(await engine.runArguments(), "-e")).toEqual(expect.arrayContaining([...expected]));
  });

  it("gets npm's login by name, and the password is nowhere to be seen", async () => {
    const engine = await playEngine("docker", {
      run: `echo "login $NPM_PASSWORD"; printf 'a module' > "$out/filter.wasm"`,
    });
    const source = await writeTree(tempDir(), { "package.json": "{}" });
    const { events, output } = await inContainer({
      language: "assemblyscript",
      source,
      deps: { env: { PATH: pathOf(engine) } },
      request: { image, containerEnv: { NPM_USERNAME: "me", NPM_PASSWORD: "s3cret", NPM_EMAIL: "me@a.example" } },
    });
    const args = await engine.runArguments();
    expect(values(args, "-e")).toEqual(expect.arrayContaining(["NPM_USERNAME", "NPM_PASSWORD", "NPM_EMAIL"]));
    expect((await engine.seen()).env).toContain("NPM_PASSWORD=s3cret");
    expect(output).toBe("login ***");
    expect(JSON.stringify([args, events])).not.toContain("s3cret");
  });

  it("has to be named for a project of Bazel", async () => {
    const engine = await playEngine("docker", { inspect: missing });
    const source = await writeTree(tempDir(), { BUILD: "rust_binary(name = 'filter')\n" });
    const { error } = await containerFailure({
      language: "rust",
      source,
      deps: { env: { PATH: pathOf(engine) } },
    });
    expect(error).toMatchObject({ code: "BUILDER_IMAGE_NEEDED", hint: expect.stringContaining("-i IMAGE") });
    expect((await engine.calls()).map(([verb]) => verb)).not.toContain("pull");
  });
});

describe("an engine", () => {
  const down = "echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2; exit 1";

  it("whose daemon does not answer is told by its own words", async () => {
    const engine = await playEngine("docker", { version: down });
    const PATH = `${engine.folder}:${await bare()}`;
    const { error } = await containerFailure({ deps: { env: { PATH } } });
    expect(error).toMatchObject({ kind: "build-failed", code: "ENGINE_SILENT" });
    expect(error.message).toContain("Cannot connect to the Docker daemon");
    expect(error.hint).toContain("docker version");
    expect((await engine.calls()).map(([verb]) => verb)).not.toContain("run");
    expect(await engineReport(toolchainDeps({ env: { PATH } }))).toMatchObject({
      tool: "docker",
      state: "unfit",
      problem: expect.stringContaining("Cannot connect"),
    });
  });

  it("that is not there is told with the command that brings one", async () => {
    const { error } = await containerFailure({ deps: { env: { PATH: await bare() } } });
    expect(error).toMatchObject({ code: "ENGINE_MISSING", hint: expect.stringContaining("podman") });
    const report = await engineReport(toolchainDeps({ env: { PATH: await bare() } }));
    expect(report).toMatchObject({ state: "optional", install: expect.stringContaining("podman") });
  });

  it("gives way to the next one, but not when podman is asked for", async () => {
    const docker = await playEngine("docker", { version: down });
    const podman = await playEngine("podman", {}, docker.folder);
    await inContainer({ deps: { env: { PATH: pathOf(docker) } } });
    expect((await podman.runArguments())[0]).toBe("run");
    const only = await playEngine("docker", {});
    const PATH = `${only.folder}:${await bare()}`;
    const { error } = await containerFailure({ deps: { env: { PATH, WASME_USE_PODMAN: "1" } } });
    expect(error).toMatchObject({ code: "ENGINE_MISSING", message: expect.stringContaining("WASME_USE_PODMAN") });
    expect(await only.calls()).toEqual([]);
  });

  it.each([
    [
      "Error response from daemon: manifest for x:1 not found: manifest unknown",
      "BUILDER_IMAGE_NOT_FOUND",
      "not-found",
    ],
    ["denied: requested access to the resource is denied", "BUILDER_IMAGE_REFUSED", "unauthorised"],
    ["dial tcp: lookup x on 1.1.1.1:53: no such host", "BUILDER_IMAGE_UNREACHABLE", "unreachable"],
    ["write /var/lib/docker/tmp/x: no space left on device", "DISK_FULL", "failed"],
    ["something else", "BUILDER_IMAGE_FAILED", "build-failed"],
  ])("that cannot pull: %s", async (said, code, kind) => {
    const engine = await playEngine("docker", { inspect: missing, pull: `echo "${said}" >&2; exit 1` });
    const { error } = await containerFailure({ deps: { env: { PATH: pathOf(engine) } } });
    expect(error).toMatchObject({ code, kind, hint: expect.stringMatching(/./u) });
    expect(error.message).toContain("docker.io/library/golang:1.26");
  });

  it("is told the platform of an image that is made for another one only", async () => {
    const engine = await playEngine("docker", {
      inspect: `if [ -f "$state/pulled" ]; then echo sha256:0123 null; else exit 1; fi`,
      pull: `case "$*" in *linux/amd64*) touch "$state/pulled" ;; *) echo 'no matching manifest for linux/arm64/v8' >&2; exit 1 ;; esac`,
    });
    await inContainer({
      deps: { env: { PATH: pathOf(engine) } },
      request: { image: "acme.example/builder:1" },
    });
    expect(values(await engine.runArguments(), "--platform")).toEqual(["linux/amd64"]);
  });
});

describe("a build in a container that fails", () => {
  it.each([
    ["echo './main.go:3:2: undefined: x' >&2; exit 1", "CONTAINER_BUILD_FAILED", "main.go:3:2: undefined: x"],
    ["echo 'error[E0425]: cannot find value `x`' >&2; exit 101", "CONTAINER_BUILD_FAILED", "cannot find value `x`"],
    ["echo 'write x: no space left on device' >&2; exit 1", "DISK_FULL", "disk"],
    ["echo 'docker: Error response from daemon: oops' >&2; exit 125", "CONTAINER_NOT_STARTED", "oops"],
    ["exit 0", "MODULE_NOT_MADE", "no /build_output/filter.wasm"],
    [`: > "$out/filter.wasm"`, "MODULE_NOT_MADE", "empty"],
  ])("%s", async (run, code, words) => {
    const engine = await playEngine("docker", { run });
    const { error, outDir } = await containerFailure({ deps: { env: { PATH: pathOf(engine) } } });
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(words);
    expect(`${error.message} ${error.hint}`).toContain("docker");
    expect(await readdir(outDir)).toEqual([]);
  });

  it("is not kept as a result", async () => {
    const engine = await playEngine("docker", { run: "exit 1" });
    const [source, paths] = [await goProject(), { home: tempDir(), tmp: "/tmp" }];
    const setup = { source, deps: { env: { PATH: pathOf(engine) }, paths } };
    await containerFailure(setup);
    expect((await containerFailure(setup)).error.code).toBe("CONTAINER_BUILD_FAILED");
  });

  it("removes the container when it is aborted, and everything else", async () => {
    const engine = await playEngine("docker", { run: `touch "$state/running"; exec sleep 600` });
    const controller = new AbortController();
    const waiting = containerFailure({
      deps: { env: { PATH: pathOf(engine) }, signal: controller.signal },
      request: { image: "acme.example/builder:1" },
    });
    await expect.poll(() => readdir(engine.folder), { timeout: 60_000 }).toContain("running");
    controller.abort(new WasmeError("interrupted", "INTERRUPTED", "stopped"));
    const { error, outDir } = await waiting;
    expect(error.message).toBe("stopped");
    const name = (await engine.runArguments())[3];
    const after = (await engine.calls()).filter(([verb]) => verb === "kill" || verb === "rm");
    // At once, and again when the client has ended: it may have been about to create the container.
    expect(after.map((call) => call.join(" ")).toSorted()).toEqual([
      `kill ${name}`,
      `kill ${name}`,
      `rm --force ${name}`,
      `rm --force ${name}`,
    ]);
    expect(await readdir(outDir)).toEqual([]);
  });
});

describe("without --builder", () => {
  it("a container serves where no tool can, and it is said how to do without", async () => {
    const engine = await playEngine("docker", {});
    const PATH = `${engine.folder}:${await bare(["sh", "cat", "env", "touch"])}`;
    const { events } = await inContainer({ deps: { env: { PATH } }, request: { builder: "auto" } });
    const warning = events.find(({ type }) => type === "warning");
    expect(warning).toMatchObject({
      message: expect.stringMatching(/ in PATH.*; building in a container \(docker\) instead$/u),
      hint: expect.stringContaining("to build without a container"),
    });
    expect((await engine.runArguments())[0]).toBe("run");
  });

  it("the runner's own error stands without an engine or its image, and for projects no image of ours builds", async () => {
    const alone = await containerFailure({ deps: { env: { PATH: await bare() } }, request: { builder: "auto" } });
    expect(alone.error.code).toBe("TOOL_MISSING");
    const offline = await playEngine("docker", { inspect: missing, pull: "echo 'dial tcp: no such host' >&2; exit 1" });
    const nowhere = `${offline.folder}:${await bare(["sh", "cat", "env"])}`;
    const shut = await containerFailure({ deps: { env: { PATH: nowhere } }, request: { builder: "auto" } });
    expect(shut.error.code).toBe("TOOL_MISSING");
    expect(JSON.stringify(shut.events)).toContain("cannot pull docker.io/library/golang:1.26");
    const engine = await playEngine("docker", {});
    const source = await writeTree(tempDir(), { BUILD: "rust_binary(name = 'filter')\n" });
    const PATH = `${engine.folder}:${await bare(["sh", "cat", "env"])}`;
    const setup = { language: "rust", source, deps: { env: { PATH } }, request: { builder: "auto" } } as const;
    expect((await containerFailure(setup)).error).toMatchObject({
      code: "TOOL_UNFIT",
      hint: expect.stringContaining("--builder container"),
    });
  });

  it.each(["native", "npm"] as const)("an image and --builder %s are refused together", async (builder) => {
    const { error } = await containerFailure({
      language: "cpp",
      deps: { env: { PATH: await bare() } },
      request: { builder, image: "acme.example/builder:1" },
    });
    expect(error).toMatchObject({ code: "BUILDER_UNFIT" });
  });
});

/** A folder for `PATH` with these programs of the system and no others. */
async function bare(programs: readonly string[] = []): Promise<string> {
  const folder = tempDir();
  for (const name of programs) await symlink(`/usr/bin/${name}`, join(folder, name));
  return folder;
}
