import type { BuildFacts } from "../domain/build-facts.ts";
import type { EventSink } from "../domain/events.ts";
import type { Env } from "../platform/env.ts";
import type { Paths } from "../platform/paths.ts";
import type { ProcessRunner } from "../platform/process-runner.ts";

/** Languages that can be built from source. */
export type BuildLanguage = "assemblyscript" | "rust" | "go" | "tinygo" | "cpp";

/** Their names, in the order they are listed. */
export const BUILD_LANGUAGES: readonly BuildLanguage[] = ["assemblyscript", "rust", "go", "tinygo", "cpp"];

/**
 * How a build runs: `native` calls the compiler itself, `npm` uses what the project's npm packages carry (a build
 * script, a compiler), `container` a builder image in Docker or podman; `auto` takes the first that serves.
 */
export type Builder = "auto" | "native" | "npm" | "container";

export const BUILDERS: readonly Builder[] = ["auto", "native", "npm", "container"];

/** What a toolchain needs of the outside world. */
export interface ToolchainDeps {
  readonly exec: ProcessRunner;
  readonly env: Env;
  readonly signal: AbortSignal;
  /** `home` holds caches (`cache/`) and tools installed once (`tools/`). */
  readonly paths: Pick<Paths, "home" | "tmp">;
}

/** One build. */
export interface ToolchainRequest {
  /** Source folder, absolute. */
  readonly source: string;
  /** Existing folder for the module, absolute; not inside the source folder. */
  readonly outDir: string;
  readonly builder: Builder;
  /** False under `--no-install`: nothing is downloaded, missing dependencies are an error. */
  readonly install: boolean;
  /** False under `--no-optimize`: the module stays as the compiler made it. */
  readonly optimize: boolean;
  /** Builder image for `container`; the language's default when absent. */
  readonly image?: string;
  /** Variables for the builder container beside those of the language, by name: what the old tool's flags said. */
  readonly containerEnv?: Readonly<Record<string, string>>;
}

/** What a build made. */
export interface BuiltModule {
  /** The module file, in the request's `outDir`. */
  readonly modulePath: string;
  /** Compiler and version: `assemblyscript 0.28.20`. */
  readonly toolchain: string;
  readonly facts: BuildFacts;
}

/** A tool that a language needs or can use, as `doctor` shows it. */
export interface ToolReport {
  /** What is typed: `cargo`, `wasm32-wasip1`, `em++`. */
  readonly tool: string;
  /** `ok`; `missing`; `unfit`: there, but it cannot build a filter; `optional`: not there and not needed. */
  readonly state: "ok" | "missing" | "unfit" | "optional";
  /** Where it was found, absolute. */
  readonly where?: string;
  readonly version?: string;
  /** What it is for, half a sentence. */
  readonly purpose: string;
  /** Why it is unfit, one sentence. */
  readonly problem?: string;
  /** The exact command that brings it on this system. */
  readonly install?: string;
}

/** Builds one language. */
export interface ToolchainRunner {
  readonly language: BuildLanguage;
  /** What in a folder says that it is a project of this language, for help and errors. */
  readonly marks: string;
  /** The file or entry that tells that the folder is a project of this language; `undefined` when it is none. */
  detect(source: string): Promise<string | undefined>;
  /** Builds. Throws errors of kind `build-failed`, `usage`, `unreachable`; leaves the source folder's own files alone. */
  build(deps: ToolchainDeps, request: ToolchainRequest, events: EventSink): Promise<BuiltModule>;
  /** What is there of what the language needs, best way first. Starts short probes; changes nothing but their cache. */
  report(deps: ToolchainDeps): Promise<readonly ToolReport[]>;
}

/** The module's name in `outDir`, the same for every language. */
export const MODULE_FILE = "filter.wasm";
