import { copyFile, readFile, rm } from "node:fs/promises";
import { digestOf } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { writeError } from "../platform/atomic-file.ts";
import { validateCode } from "../wasm/engine.ts";
import { type Binaryen, findBinaryen, installBinaryen, isThere } from "./binaryen.ts";
import { cachedBuild, type MadeModule } from "./build-cache.ts";
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
 * `$WASME_HOME/tools`, with a notice. The same module gives the same result, which is kept. Names of functions stay, they
 * are what the traces of a trap show. Gives the label of what ran (`binaryen 132.0.0 -Oz`), `undefined` when the
 * module stays as it is: `--no-optimize`, nothing gained, or no binaryen under `--no-install` (which is said). An optimizer that
 * fails or cannot be installed is a warning, never the end of a build. Throws the signal's reason, and `DISK_FULL` and
 * the like for the module itself.
 */
export async function optimizeModule(
  deps: ToolchainDeps,
  { modulePath, request }: OptimizeRequest,
  events: EventSink,
): Promise<string | undefined> {
  if (!request.optimize) return undefined;
  const binaryen = await findBinaryen(request.source, deps.paths.home);
  const label = `binaryen ${binaryen.version} ${LEVEL}`;
  const key = digestOf(JSON.stringify([label, OPTIONS, digestOf(await readFile(modulePath))]));
  const { notes } = await cachedBuild(deps, { key, modulePath }, async () => {
    if (!(await provide(deps, { binaryen, install: request.install }, events))) return { keep: false, notes: {} };
    const id = "optimize";
    events({ type: "task.start", id, message: `Optimizing with ${label}` });
    let made: MadeModule = { keep: false, notes: {} };
    try {
      made = await optimize(deps, { program: binaryen.program, modulePath, label }, events);
    } finally {
      events({ type: "task.end", id, ok: made.keep });
    }
    return made;
  });
  return notes["optimizer"];
}

interface Optimization {
  readonly program: string;
  readonly modulePath: string;
  readonly label: string;
}

/**
 * Runs `wasm-opt` in a process of its own. At first no feature is allowed that the module does not declare; what the
 * validator finds missing is what the code uses, so exactly that is allowed the second time: the optimizer must not
 * bring in instructions that the proxies of this filter may not know.
 */
async function optimize(
  deps: ToolchainDeps,
  { program, modulePath, label }: Optimization,
  events: EventSink,
): Promise<MadeModule> {
  const draft = `${modulePath}.optimized`;
  const run = async (features: readonly string[]): Promise<{ readonly ok: boolean; readonly said: string }> => {
    // Code of V8's first compiler is enough for a run of seconds, and there at once: it halves the time, or better.
    const args = ["--liftoff-only", program, ...OPTIONS, ...features, modulePath, "-o", draft];
    const { exitCode, stdout, stderr } = await deps.exec(process.execPath, args, {
      env: deps.env,
      signal: deps.signal,
    });
    return { ok: exitCode === 0, said: `${stdout}${stderr}` };
  };
  try {
    let result = await run([]);
    const missing = new Set(result.said.match(/--enable-[\w-]+/gu));
    if (!result.ok && missing.size > 0) result = await run([...missing].toSorted());
    if (!result.ok) {
      const why = /^(?:Fatal: )?(.+)$/mu.exec(result.said.trim())?.[1] ?? "it said nothing";
      events({ type: "warning", message: `${label} left the module as it is: ${why}` });
      return { keep: false, notes: {} };
    }
    const [before, after] = [await readFile(modulePath), await readFile(draft).catch(() => undefined)];
    if (after === undefined) {
      events({ type: "warning", message: `${label} left the module as it is: it wrote nothing` });
      return { keep: false, notes: {} };
    }
    if (after.length >= before.length || validateCode(after).verdict === "invalid") return { keep: true, notes: {} };
    await copyFile(draft, modulePath).catch((error: unknown) => {
      throw writeError(error, modulePath);
    });
    return { keep: true, notes: { optimizer: label } };
  } finally {
    await rm(draft, { force: true });
  }
}

/** Makes sure that the optimizer is there; says why when it is not and will not be. */
async function provide(
  deps: ToolchainDeps,
  { binaryen, install }: { readonly binaryen: Binaryen; readonly install: boolean },
  events: EventSink,
): Promise<boolean> {
  if (await isThere(binaryen.program)) return true;
  const message = `the module is not optimized: binaryen ${binaryen.version} is not installed`;
  if (!install) {
    events({ type: "warning", message, hint: "build once without --no-install, or add --no-optimize" });
    return false;
  }
  try {
    await installBinaryen(deps, binaryen, events);
    return true;
  } catch (error) {
    deps.signal.throwIfAborted();
    if (!(error instanceof WasmeError)) throw error;
    events({
      type: "warning",
      message: `${message} and cannot be: ${error.message}`,
      hint: "build with --no-optimize",
    });
    return false;
  }
}

const LEVEL = "-Oz";
const OPTIONS: readonly string[] = [LEVEL, "-g", "--strip-dwarf"];
