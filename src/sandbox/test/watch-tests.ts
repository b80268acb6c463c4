import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { WasmeError } from "../../domain/errors.ts";
import { type RunTestsDeps, type RunTestsRequest, runTests, type TestRun } from "./run-tests.ts";

/** Where runs and errors are told. */
export interface WatchTold {
  readonly show: (run: TestRun) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

/** Waits so long for more changes: editors write in several steps. Milliseconds. */
const QUIET = 80;
/** Paths a build writes to, or nobody's business. */
const IGNORED = /(?:^|[/\\])(?:node_modules|\.git|build|dist|target)(?:[/\\]|$)/u;

/** Runs tests, and again whenever what they are made of changes, until the signal is aborted. */
export async function watchTests(deps: RunTestsDeps, request: RunTestsRequest, told: WatchTold): Promise<void> {
  let sources: readonly string[] = [deps.cwd];
  while (!deps.signal.aborted) {
    try {
      const run = await runTests(deps, request);
      sources = [...new Set(run.sources)];
      await told.show(run);
    } catch (error) {
      if (deps.signal.aborted) return;
      if (!(error instanceof WasmeError)) throw error;
      told.failed(error);
    }
    await changed(sources, deps.signal);
  }
}

async function changed(sources: readonly string[], signal: AbortSignal): Promise<void> {
  const folders = new Map<string, boolean>();
  for (const source of sources) {
    const isFolder = (await stat(source).catch(() => undefined))?.isDirectory() === true;
    // A file is watched by its folder: editors replace files.
    const folder = isFolder ? source : dirname(source);
    folders.set(folder, isFolder || folders.get(folder) === true);
  }
  const watchers: FSWatcher[] = [];
  try {
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      signal.addEventListener("abort", () => resolve(), { once: true });
      for (const [folder, recursive] of folders) {
        const listener = (_event: string, file: string | null): void => {
          if (file !== null && IGNORED.test(file)) return;
          clearTimeout(timer);
          timer = setTimeout(resolve, QUIET);
        };
        watchers.push(watch(folder, { recursive }, listener));
      }
    });
  } finally {
    for (const watcher of watchers) watcher.close();
  }
}
