import { tmpdir } from "node:os";
import { runProcess } from "../../../src/platform/process-runner.ts";
import type { InitDeps } from "../../../src/scaffold/init-project.ts";

/** The real outside world for `initProject`, in a working directory. */
export function depsIn(cwd: string): InitDeps {
  return { cwd, exec: runProcess, env: process.env, paths: { tmp: tmpdir() } };
}
