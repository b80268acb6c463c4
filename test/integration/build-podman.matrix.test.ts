import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { WasmeError } from "../../src/domain/errors.ts";
import { component } from "../components/require-component.ts";
import { openPodman, type Podman } from "../components/podman.ts";
import { writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { containerFailure, goProject, inContainer } from "./container-support.ts";

/** An image that builds by itself, as the old tool's did: it writes into the project and prints what it sees. */
const BUILDER = "localhost/wasme-builder:1";
const BUILDER_SCRIPT = `#!/bin/sh
set -e
echo "tool=$BUILD_TOOL here=$(pwd) user=$(id -u):$(id -g) files=$(ls | tr '\\n' ' ')"
if [ -f wait ]; then touch /cache/waiting; sleep 600; fi
mkdir -p node_modules/left "$HOME/left"
touch written
printf 'from the builder' > /build_output/filter.wasm
`;

/** An image with a program named go, which wasme calls: it tries to write into the project. */
const GOLANG = "localhost/golang:1.26";
const GO_SCRIPT = `#!/bin/sh
if [ "$1" = env ]; then echo go1.26.1; exit; fi
if touch written 2> /dev/null; then echo "the project can be written"; exit 1; fi
if grep -q broken main.go; then echo "./main.go:3:2: undefined: broken" >&2; exit 1; fi
mkdir -p "$GOCACHE"
echo "builds before: $(ls "$GOCACHE" | wc -w), target $GOOS/$GOARCH"
touch "$GOCACHE/$$-$(cat /proc/sys/kernel/random/uuid)"
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then cp main.go "$2"; fi; shift; done
`;

let opened: Promise<{ readonly podman: Podman } | { readonly skip: string }> | undefined;

/** podman with both images, or why this machine has none that runs containers. */
async function open(): Promise<{ readonly podman: Podman } | { readonly skip: string }> {
  const found = await component("podman", openPodman);
  if ("skip" in found) return found;
  const podman = found.ready;
  await podman.image(BUILDER, { builder: BUILDER_SCRIPT }, ['ENTRYPOINT ["/builder"]']);
  await podman.image(GOLANG, { "bin/go": GO_SCRIPT });
  const refusal = await podman.refusal(BUILDER);
  return refusal === undefined ? { podman } : { skip: refusal };
}

async function needPodman(context: TestContext): Promise<Podman> {
  opened ??= open();
  const found = await opened;
  if ("skip" in found) return context.skip(found.skip);
  return found.podman;
}

beforeEach(async (context) => {
  await needPodman(context);
}, 300_000);

afterAll(async () => {
  const found = await opened;
  if (found !== undefined && "podman" in found) await found.podman.remove();
}, 60_000);

describe("a build in a real container", { timeout: 120_000 }, () => {
  it("by a builder image leaves a module of mine, and nothing in the project", async (context) => {
    const podman = await needPodman(context);
    const source = await writeTree(tempDir(), { BUILD: "cc_binary(name = 'x')\n", "filter.cc": "", "sub/a": "b" });
    const paths = { home: tempDir(), tmp: "/tmp" };
    const setup = { language: "cpp", source, deps: { env: podman.env, paths }, request: { image: BUILDER } } as const;
    const built = await inContainer(setup);
    const me = `${process.getuid?.()}:${process.getgid?.()}`;
    expect(built.output).toBe(`tool=bazel here=/src/workspace user=${me} files=BUILD filter.cc sub `);
    expect(await readFile(built.modulePath, "utf8")).toBe("from the builder");
    expect((await stat(built.modulePath)).uid).toBe(process.getuid?.());
    expect((await readdir(source)).toSorted()).toEqual(["BUILD", "filter.cc", "sub"]);
    expect(await readdir(built.outDir)).toEqual(["filter.wasm"]);
    expect(await readdir(join(paths.home, "cache/containers/cpp/shared/home"))).toEqual(["left"]);
    expect((await podman.run(["ps", "--all", "--quiet"])).stdout).toBe("");
  });

  it("by a compiler's image sees the project read-only, and finds its cache again", async (context) => {
    const podman = await needPodman(context);
    const [source, paths] = [await goProject(), { home: tempDir(), tmp: "/tmp" }];
    const setup = { source, deps: { env: podman.env, paths }, request: { image: GOLANG } };
    const first = await inContainer(setup);
    expect(first.output).toBe("builds before: 0, target wasip1/wasm");
    expect(first.toolchain).toBe(`go 1.26.1 in ${GOLANG}`);
    expect(await readFile(first.modulePath, "utf8")).toBe(await readFile(join(source, "main.go"), "utf8"));
    const same = await inContainer(setup);
    expect(same.output).toBe("");
    expect(same.facts).toEqual(first.facts);
    await writeTree(source, { "main.go": "package main\n\nfunc main() { println() }\n" });
    const changed = await inContainer(setup);
    expect(changed.output).toBe("builds before: 1, target wasip1/wasm");
    expect(await readFile(changed.modulePath, "utf8")).toContain("println");
  });

  it("shows the compiler's own words when it fails", async (context) => {
    const podman = await needPodman(context);
    const source = await goProject();
    await writeTree(source, { "main.go": "package main\n\n  broken\n" });
    const { error, output } = await containerFailure({ source, deps: { env: podman.env }, request: { image: GOLANG } });
    expect(output).toBe("./main.go:3:2: undefined: broken");
    expect(error).toMatchObject({ code: "CONTAINER_BUILD_FAILED", details: { image: GOLANG } });
    expect(error.message).toContain("undefined: broken");
    expect(error.hint).toContain("podman");
  });

  it("fetches Rust's target once", async (context) => {
    const podman = await needPodman(context);
    const cargo = `made="$CARGO_TARGET_DIR/wasm32-wasip1/release"; mkdir -p "$made"; cp src/lib.rs "$made/x.wasm"; pwd`;
    await podman.image("localhost/rust:1", {
      "usr/rust/lib/rustlib/x.txt": "",
      "bin/rustc": `#!/bin/sh\ncase "$1" in --version) echo "rustc 1.95.0 (abc 2026)";; *) echo /usr/rust;; esac\n`,
      "bin/rustup": `#!/bin/sh\necho "fetching $3"; mkdir "/usr/rust/lib/rustlib/$3"\n`,
      "bin/cargo": `#!/bin/sh\n[ -d /usr/rust/lib/rustlib/wasm32-wasip1 ] || exit 1\n${cargo}\n`,
    });
    const source = await writeTree(tempDir(), { "Cargo.toml": "[lib]\n", "Cargo.lock": "", "src/lib.rs": "one" });
    const deps = { env: podman.env, paths: { home: tempDir(), tmp: "/tmp" } };
    const setup = { language: "rust", source, deps, request: { image: "localhost/rust:1" } } as const;
    const first = await inContainer(setup);
    expect(first.output).toBe("fetching wasm32-wasip1\n/src/workspace");
    expect(first.facts.compiler).toBe("rustc 1.95.0");
    await writeTree(source, { "src/lib.rs": "two" });
    await rm(join(source, "Cargo.lock"));
    const second = await inContainer(setup);
    expect(second.output).toBe("/tmp/project");
    expect(await readFile(second.modulePath, "utf8")).toBe("two");
  });

  it("lets npm write into a copy", async (context) => {
    const podman = await needPodman(context);
    await podman.image("localhost/node:22", {
      "bin/node": `#!/bin/sh\n[ "$1" = -p ] && echo 0.28.20 || echo v22.0.0\n`,
      "bin/npm": `#!/bin/sh\nls | tr '\\n' ' '; echo "$*"\nmkdir -p node_modules build; cp package.json build/optimized.wasm\n`,
    });
    const files = {
      "package.json": '{"scripts":{"asbuild":"x"}}',
      "package-lock.json": "{}",
      "build/release.wasm": "old",
    };
    const source = await writeTree(tempDir(), { ...files, "node_modules/x": "" });
    const request = { image: "localhost/node:22" };
    const built = await inContainer({ language: "assemblyscript", source, deps: { env: podman.env }, request });
    expect(built.output.split("\n")).toEqual([
      "package-lock.json package.json ci --include=dev --no-audit --no-fund",
      "build node_modules package-lock.json package.json run asbuild",
    ]);
    expect(await readFile(built.modulePath, "utf8")).toBe(files["package.json"]);
    expect(built.facts.compiler).toBe("assemblyscript 0.28.20");
    expect((await readdir(source)).toSorted()).toEqual(["build", "node_modules", "package-lock.json", "package.json"]);
  });

  it("compiles C++ with the flags of a native build", async (context) => {
    const podman = await needPodman(context);
    const script = `#!/bin/sh\n[ "$1" = --version ] && echo "emcc 4.0.10" && exit\necho "$0 $*"; cp src/a.cc /build_output/filter.wasm\n`;
    await podman.image("localhost/emsdk:4", { "bin/em++": script, "bin/emcc": script });
    const source = await writeTree(tempDir(), { "src/a.cc": "cpp", "src/b.c": "", "runtime-config.json": "{}" });
    const setup = { language: "cpp", source, deps: { env: podman.env } } as const;
    const built = await inContainer({ ...setup, request: { image: "localhost/emsdk:4" } });
    const [c = "", cpp = ""] = built.output.split("\n");
    expect(c).toMatch(/^\S+emcc .*-c src\/b\.c -o \/build_output\/c-0\.o$/u);
    expect(cpp).toMatch(
      /^\S+em\+\+ .*-sSTANDALONE_WASM .*src\/a\.cc \/build_output\/c-0\.o -o \/build_output\/filter\.wasm$/u,
    );
    expect(built.toolchain).toBe("emscripten 4.0.10 in localhost/emsdk:4");
  });

  it("is stopped and removed by an abort", async (context) => {
    const podman = await needPodman(context);
    const source = await writeTree(tempDir(), { BUILD: "cc_binary(name = 'x')\n", wait: "" });
    const [paths, controller] = [{ home: tempDir(), tmp: "/tmp" }, new AbortController()];
    const waiting = containerFailure({
      language: "cpp",
      source,
      deps: { env: podman.env, paths, signal: controller.signal },
      request: { image: BUILDER },
    });
    const cache = join(paths.home, "cache/containers/cpp/shared");
    await expect.poll(() => readdir(cache).catch(() => []), { timeout: 100_000 }).toContain("waiting");
    expect((await podman.run(["ps", "--quiet"])).stdout).not.toBe("");
    controller.abort(new WasmeError("interrupted", "INTERRUPTED", "stopped"));
    const { error, outDir } = await waiting;
    expect(error.message).toBe("stopped");
    expect((await podman.run(["ps", "--all", "--quiet"])).stdout).toBe("");
    expect(await readdir(outDir)).toEqual([]);
  });

  it("is told when the engine cannot start it", async (context) => {
    const podman = await needPodman(context);
    await podman.image("localhost/empty:1", {}, ['ENTRYPOINT ["/not-there"]']);
    const request = { image: "localhost/empty:1" };
    const { error } = await containerFailure({ deps: { env: podman.env }, request });
    expect(error).toMatchObject({ code: "CONTAINER_NOT_STARTED" });
    expect(error.message).toContain("not-there");
  });
});
