import { moduleFinder } from "./find-module.ts";
import type { FindModule } from "./plan-cases.ts";

/** Finds modules for programs that use wasme as a library: with the process's own environment. */
export function libraryFinder(cwd: string): FindModule {
  const source: Parameters<typeof moduleFinder>[0] = async () => {
    const { env } = process;
    const { runProcess } = await import("../../platform/process-runner.ts");
    const { resolvePaths } = await import("../../platform/paths.ts");
    const { openStore } = await import("../../store/image-store.ts");
    const paths = resolvePaths(env, cwd);
    return { cwd, env, exec: runProcess, paths, signal: new AbortController().signal, store: openStore(paths.store) };
  };
  return moduleFinder(source, () => undefined);
}
