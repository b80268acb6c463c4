import { resolve } from "node:path";
import { WasmeError } from "../../domain/errors.ts";
import { type SourceWatch, watchSource } from "../run/watch-source.ts";
import { type RunTestsDeps, type RunTestsRequest, runTests, type TestRun } from "./run-tests.ts";

/** Where runs and errors are told. */
export interface WatchTold {
  readonly show: (run: TestRun) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

/**
 * Runs tests, and again whenever the content of what they are made of is another, until the signal is aborted. A file with a
 * mistake, or a source that cannot be built, is told and waited for.
 */
export async function watchTests(deps: RunTestsDeps, request: RunTestsRequest, told: WatchTold): Promise<void> {
  const changes = new Changes(deps.signal);
  // Before the first run that went well nobody knows what the tests are made of.
  let sources = (request.paths.length === 0 ? ["."] : request.paths).map((path) => resolve(deps.cwd, path));
  try {
    while (!deps.signal.aborted) {
      const { run, error } = await tryTests(deps, request);
      if (run !== undefined) sources = [...new Set(run.sources)];
      // Whoever reads the report may change something at once.
      await changes.watch(sources);
      if (run === undefined) told.failed(error);
      else await told.show(run);
      await changes.next();
    }
  } finally {
    changes.close();
  }
}

async function tryTests(
  deps: RunTestsDeps,
  request: RunTestsRequest,
): Promise<{ readonly run?: TestRun; readonly error?: unknown }> {
  try {
    return { run: await runTests(deps, request) };
  } catch (error) {
    if (error instanceof WasmeError) return { error };
    throw error;
  }
}

/** Waits for changes; one that came while nobody waited counts. */
class Changes {
  readonly #signal: AbortSignal;
  #paths = "";
  #watch: SourceWatch | undefined;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  async watch(paths: readonly string[]): Promise<void> {
    const key = paths.join("\0");
    if (key === this.#paths) return;
    this.close();
    this.#paths = key;
    this.#watch = await watchSource({ paths }, () => {
      this.#changed = true;
      this.#wake();
    });
  }

  async next(): Promise<void> {
    if (!this.#changed && !this.#signal.aborted) await this.#sleep();
    this.#changed = false;
  }

  close(): void {
    this.#watch?.close();
  }

  async #sleep(): Promise<void> {
    // Watches keep no process alive.
    const awake = setInterval(() => undefined, 1 << 30);
    await new Promise<void>((wake) => (this.#wake = wake));
    clearInterval(awake);
  }
}
