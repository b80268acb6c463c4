import { readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import type { BuildFacts } from "../../domain/build-facts.ts";
import { defaultArguments } from "../assemblyscript/arguments.ts";
import { readAsProject } from "../assemblyscript/project.ts";
import { outputsOf } from "../assemblyscript/run-script.ts";
import { SCRIPT } from "../assemblyscript/script.ts";
import { readGoMod, sdkOf } from "../go/go-mod.ts";
import { GO_BUILD, GO_OFFLINE, GO_TARGET, sdkFact } from "../go/runner.ts";
import { installVerb } from "../npm-install.ts";
import { CARGO_BUILD } from "../rust/flags.ts";
import { bazelMark as rustBazelMark, SDK as RUST_SDK } from "../rust/project.ts";
import { targetOf, tinygoArguments } from "../tinygo/runner.ts";
import { imageNeeded, versionInTag } from "./images.ts";
import {
  CACHE,
  type ContainerPlan,
  intoCopy,
  MODULE,
  onlyModule,
  OUTPUT,
  type PlanRequest,
  PROJECT_CACHE,
  scriptOf,
  shellWords,
} from "./plan.ts";

/** Go, with the same flags as on the machine. */
export async function planGo({ folder, request }: PlanRequest): Promise<ContainerPlan> {
  const mod = await readGoMod(folder);
  return {
    script: scriptOf(["go", "env", "GOVERSION"], [`go ${shellWords([...GO_BUILD, "-o", MODULE, "."])}`]),
    // The image keeps Go from fetching the version that go.mod asks for.
    env: { ...GO_TARGET, ...GO_PLACES, GOTOOLCHAIN: "auto", ...(request.install ? {} : GO_OFFLINE) },
    pinned: true,
    optimize: false,
    facts: { ...sdkFact(mod === undefined ? undefined : sdkOf(mod)), target: "wasip1" },
    label: (said) => `go ${said.replace(/^go/u, "")}`,
  };
}

/** TinyGo, called as the version in the image's tag wants it. */
export async function planTinyGo({ folder, request, image }: PlanRequest): Promise<ContainerPlan> {
  const mod = await readGoMod(folder);
  const version = versionInTag(image.reference) ?? "0.38.0";
  return {
    script: scriptOf(
      ["tinygo", "version"],
      [`tinygo ${shellWords(tinygoArguments({ output: MODULE, version, mod }))}`],
    ),
    env: { ...GO_PLACES, ...(request.install ? {} : GO_OFFLINE) },
    pinned: true,
    optimize: false,
    facts: { ...sdkFact(mod === undefined ? undefined : sdkOf(mod)), target: targetOf(version) },
    label: (said) => `tinygo ${/\bversion (\d+\.\d+\S*)/u.exec(said)?.[1] ?? version}`,
  };
}

const GO_PLACES: Readonly<Record<string, string>> = {
  GOPATH: `${CACHE}/go`,
  GOMODCACHE: `${CACHE}/go/mod`,
  GOCACHE: `${CACHE}/go-build`,
  // A cache that can be removed like any other folder.
  GOFLAGS: "-modcacherw",
};

/**
 * Rust by cargo. The standard library for the target is fetched by rustup once, and kept per version of the compiler;
 * results are kept per project, because cargo tells projects in the same place apart by their names only.
 */
export async function planRust({ folder, request }: PlanRequest): Promise<ContainerPlan> {
  if (!(await isFile(join(folder, "Cargo.toml")))) {
    throw imageNeeded(
      `the project in ${folder} is built by Bazel (${(await rustBazelMark(folder)) ?? "no Cargo.toml"})`,
    );
  }
  const locked = await isFile(join(folder, "Cargo.lock"));
  const target = "wasm32-wasip1";
  const args = [...CARGO_BUILD, "--target", target, ...(locked ? ["--locked"] : [])];
  const made = `${PROJECT_CACHE}/target/${target}/release`;
  return {
    script: scriptOf(
      ["rustc", "--version"],
      [
        // Without a lock file cargo writes one, which the source folder does not let it.
        ...(locked ? [] : intoCopy(["target"])),
        ...rustTarget(target, request.install),
        `rm -f ${made}/*.wasm`,
        `cargo ${shellWords([...args, ...(request.install ? [] : ["--offline"])])}`,
        ...onlyModule(`${made}/*.wasm`, "one library of the workspace has to be of the type cdylib"),
      ],
    ),
    env: { CARGO_HOME: `${CACHE}/cargo`, CARGO_TARGET_DIR: `${PROJECT_CACHE}/target`, CARGO_TERM_COLOR: "never" },
    pinned: locked,
    optimize: true,
    facts: { ...(await rustSdk(folder)), target },
    label: (said) => /^rustc \d\S*/u.exec(said)?.[0] ?? "rustc",
  };
}

/** The SDK as the lock file pins it. */
async function rustSdk(folder: string): Promise<Pick<BuildFacts, "sdk">> {
  const lock = await readFile(join(folder, "Cargo.lock"), "utf8").catch(() => "");
  const version = new RegExp(`^name = "${RUST_SDK}"\\nversion = "([^"]+)"`, "mu").exec(lock.replaceAll("\r", ""))?.[1];
  return version === undefined ? {} : { sdk: `${RUST_SDK} ${version}` };
}

/** Puts the standard library of a target where rustc looks for it. */
function rustTarget(target: string, install: boolean): readonly string[] {
  const kept = `${CACHE}/std/$(rustc --version | tr ' ()' '___')-${target}`;
  const fetch = install
    ? [
        `  rustup target add ${target}`,
        `  draft="$kept.$(cat /proc/sys/kernel/random/uuid)"; mkdir -p ${CACHE}/std`,
        `  cp -a "$std" "$draft" && mv -T "$draft" "$kept" || rm -rf "$draft"`,
      ]
    : [
        `  echo "error: the target ${target} is not in the image, and --no-install keeps it from being fetched" >&2`,
        "  exit 1",
      ];
  return [
    `std="$(rustc --print sysroot)/lib/rustlib/${target}" kept="${kept}"`,
    'if [ ! -d "$std" ] && [ -d "$kept" ]; then cp -a "$kept" "$std"; fi',
    'if [ ! -d "$std" ]; then',
    ...fetch,
    "fi",
  ];
}

/** AssemblyScript by npm, in a copy: npm writes into the project. */
export async function planAssemblyScript({ folder, request }: PlanRequest): Promise<ContainerPlan> {
  const project = await readAsProject(folder);
  const outputs = (await outputsOf(project)).map((path) => relative(folder, path));
  const named = request.containerEnv?.["NPM_OUTPUT"];
  const output = "build/release.wasm";
  const build =
    project.scripts[SCRIPT] === undefined
      ? `npx --no-install asc ${shellWords([...defaultArguments(project), "--outFile", output])}`
      : `npm run ${SCRIPT}`;
  const verb = installVerb({ folder, lockFile: project.lockFile });
  const candidates = shellWords(named === undefined ? [...new Set([...outputs, output])] : [named]);
  return {
    script: scriptOf(
      ["node", "--version"],
      [
        ...intoCopy(["build"]),
        `npm ${verb} --include=dev --no-audit --no-fund${request.install ? "" : " --offline"}`,
        `node -p 'require("assemblyscript/package.json").version' > ${OUTPUT}/compiler`,
        build,
        `for file in ${candidates}; do`,
        `  if [ -f "$file" ]; then cp "$file" ${MODULE}; exit 0; fi`,
        "done",
        `echo "error: the build wrote none of ${candidates.replaceAll('"', "")}" >&2`,
        "exit 1",
      ],
    ),
    env: { npm_config_cache: `${CACHE}/npm`, npm_config_update_notifier: "false" },
    pinned: project.lockFile !== undefined,
    optimize: false,
    facts: {},
    label: (said) => `assemblyscript ${said}`,
  };
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}
