import type { EventSink } from "../domain/events.ts";
import type { ToolchainDeps, ToolchainRequest } from "./runner.ts";

/** A module that a compiler left bigger than it has to be. */
export interface OptimizeRequest {
  /** Replaced when the result is valid and smaller. */
  readonly modulePath: string;
  /** Its `source` may hold binaryen in `node_modules`; `install` and `optimize` are obeyed. */
  readonly request: ToolchainRequest;
}

/**
 * Makes a module smaller with binaryen's `wasm-opt`: that of the project, else the one installed once below
 * `$WASME_HOME/tools`, with a notice. The same module gives the same result. Gives the label of what ran
 * (`binaryen 132.0.0 -Oz`), `undefined` when the module stays as it is: `--no-optimize`, nothing gained, or no
 * binaryen under `--no-install` (which is said). An optimizer that fails or cannot be installed is a warning, never the end of a
 * build. Throws the signal's reason only.
 */
export async function optimizeModule(
  _deps: ToolchainDeps,
  _optimize: OptimizeRequest,
  _events: EventSink,
): Promise<string | undefined> {
  return await Promise.resolve(undefined);
}
