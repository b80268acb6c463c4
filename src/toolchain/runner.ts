import type { EventSink } from "../domain/events.ts";
import type { Env } from "../platform/env.ts";
import type { ProcessRunner } from "../platform/process-runner.ts";

/** Languages that can be built from source. */
export type BuildLanguage = "assemblyscript";

/**
 * How a build runs: `native` calls the compiler itself, `npm` runs the project's own `asbuild` script, `auto` takes
 * the first that fits the project.
 */
export type Builder = "auto" | "native" | "npm";

export const BUILDERS: readonly Builder[] = ["auto", "native", "npm"];

/** What a toolchain needs of the outside world. */
export interface ToolchainDeps {
  readonly exec: ProcessRunner;
  readonly env: Env;
  readonly signal: AbortSignal;
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
}

/** What a build made. */
export interface BuiltModule {
  /** The module file, in the request's `outDir`. */
  readonly modulePath: string;
  /** Compiler and version: `assemblyscript 0.28.20`. */
  readonly toolchain: string;
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
}

/** The module's name in `outDir`, the same for every language. */
export const MODULE_FILE = "filter.wasm";
