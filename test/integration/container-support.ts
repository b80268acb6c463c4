import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { buildModule } from "../../src/toolchain/build-module.ts";
import type { BuildLanguage, BuiltModule, ToolchainDeps, ToolchainRequest } from "../../src/toolchain/runner.ts";
import { runnerOf } from "../../src/toolchain/runners.ts";
import { failure } from "../support/failure.ts";
import { fakeProgram, writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import type { WasmeError } from "../../src/domain/errors.ts";
import { emptyFolder, outputOf, recorder, toolchainDeps } from "./build-support.ts";

/** What a fake engine does; each is a piece of a shell script. */
export interface FakeEngine {
  readonly version?: string;
  readonly info?: string;
  /** `image inspect`: prints id and labels. */
  readonly inspect?: string;
  readonly pull?: string;
  /** `run`; `$out` is the folder mounted for the module, `$src` that of the source. */
  readonly run?: string;
}

/** A program that plays an engine and writes down how it was called. */
export interface PlayedEngine {
  readonly folder: string;
  /** Every call: its arguments. */
  calls(): Promise<readonly (readonly string[])[]>;
  /** The arguments of the only `run`. */
  runArguments(): Promise<readonly string[]>;
  /** What the client of `run` had as its environment and on its stdin. */
  seen(): Promise<{ readonly env: string; readonly stdin: string }>;
}

/** Puts a fake `docker` or `podman` into a folder for `PATH`. */
export async function playEngine(
  name: "docker" | "podman",
  engine: FakeEngine,
  folder: string = tempDir(),
): Promise<PlayedEngine> {
  const {
    version = "echo 27.3.1",
    info = name === "docker" ? `echo '["name=seccomp,profile=builtin"]'` : "echo 4.9.3 false",
    inspect = "echo sha256:0123 null",
    pull = "exit 0",
    run = `printf 'a module' > "$out/filter.wasm"`,
  } = engine;
  await fakeProgram(
    folder,
    name,
    `state="${folder}"
{ for word in "$@"; do printf '%s\\0' "$word"; done; printf 'END OF CALL\\0'; } >> "$state/calls"
case "$1" in
version) ${version} ;;
--version) echo "Docker version 27.3.1" ;;
info) ${info} ;;
image) ${inspect} ;;
pull) ${pull} ;;
run)
  env > "$state/env"
  cat > "$state/stdin"
  for word in "$@"; do
    case "$word" in
    type=bind,source=*,target=/build_output) out="\${word#type=bind,source=}"; out="\${out%,target=*}" ;;
    type=bind,source=*,target=/src/workspace*) src="\${word#type=bind,source=}"; src="\${src%%,target=*}" ;;
    esac
  done
  ${run} ;;
esac`,
  );
  const calls = async (): Promise<readonly (readonly string[])[]> => {
    const text = await readFile(join(folder, "calls"), "utf8").catch(() => "");
    return text
      .split("END OF CALL\0")
      .slice(0, -1)
      .map((call) => call.split("\0").slice(0, -1));
  };
  return {
    folder,
    calls,
    runArguments: async () => (await calls()).find(([verb]) => verb === "run") ?? [],
    seen: async () => ({
      env: await readFile(join(folder, "env"), "utf8"),
      stdin: await readFile(join(folder, "stdin"), "utf8"),
    }),
  };
}

/** One build in a container. */
export interface ContainerSetup {
  readonly language?: BuildLanguage;
  readonly source?: string;
  readonly deps: Partial<ToolchainDeps>;
  readonly request?: Partial<ToolchainRequest>;
}

/** What a build in a container left. */
export interface ContainerBuild {
  readonly outDir: string;
  readonly events: readonly ProgressEvent[];
  readonly output: string;
}

/** Starts a build in a container; `source` is a Go project when absent. */
export async function inContainer(setup: ContainerSetup): Promise<BuiltModule & ContainerBuild> {
  const outDir = await emptyFolder();
  const { events, sink } = recorder();
  const built = await start(setup, outDir, sink);
  return { ...built, outDir, events, output: outputOf(events) };
}

/** The error a build in a container ends with. */
export async function containerFailure(
  setup: ContainerSetup,
): Promise<ContainerBuild & { readonly error: WasmeError }> {
  const outDir = await emptyFolder();
  const { events, sink } = recorder();
  const error = await failure(start(setup, outDir, sink));
  return { error, outDir, events, output: outputOf(events) };
}

async function start(
  { language = "go", source, deps, request }: ContainerSetup,
  outDir: string,
  sink: (event: ProgressEvent) => void,
): Promise<BuiltModule> {
  const folder = source ?? (await goProject());
  const what = { source: folder, outDir, builder: "container", install: true, optimize: false, ...request } as const;
  return await buildModule(toolchainDeps(deps), runnerOf(language), what, sink);
}

/** A small Go project. */
export function goProject(): Promise<string> {
  return writeTree(tempDir(), {
    "go.mod": "module example.com/filter\n\ngo 1.24\n\nrequire github.com/proxy-wasm/proxy-wasm-go-sdk v0.1.0\n",
    "main.go": "package main\n\nfunc main() {}\n",
  });
}
