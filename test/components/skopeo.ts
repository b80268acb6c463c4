import { aptProgram } from "./apt.ts";
import { run, type RunOptions, type RunResult } from "./run.ts";

/** The skopeo executable: in PATH, else installed from Debian. Throws `MissingComponent`. */
export function skopeoPath(): Promise<string> {
  return aptProgram("skopeo");
}

/**
 * Runs skopeo with a signature policy that accepts everything, and returns its exit code and output. Name
 * `--src-tls-verify=false` and the like yourself: they differ per subcommand.
 */
export async function skopeo(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(await skopeoPath(), ["--insecure-policy", ...args], options);
}
