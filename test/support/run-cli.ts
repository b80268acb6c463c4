import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** How a run of `bin/wasme.js` ended. */
export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** A fresh `HOME`: the run sees no file of the person running the tests. */
  readonly home: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A program with its arguments that starts it. */
  readonly through?: readonly string[];
}

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));

/** Starts the built program in a clean environment; the caller may kill it. */
export function spawnCli(
  args: readonly string[],
  options: CliOptions,
): { child: ChildProcess; result: Promise<CliResult> } {
  const { home, cwd = home, env = {}, input, through = [] } = options;
  const [program = "", ...words] = [...through, process.execPath, BIN, ...args];
  const child = spawn(program, words, {
    cwd,
    // Node's compile cache is Node's own: tests that look at every file left behind must not see it.
    env: { PATH: process.env["PATH"], HOME: home, NODE_DISABLE_COMPILE_CACHE: "1", ...npmSettings(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const collected = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (collected.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (collected.stderr += text));
  child.stdin.on("error", () => undefined).end(input ?? "");
  const result = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject).on("close", (code, signal) => resolve({ code, signal, ...collected }));
  });
  return { child, result };
}

/** Runs the built program to its end. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return await spawnCli(args, options).result;
}

/** Package downloads of a build need the registry and proxy settings of the machine, and share its download cache. */
function npmSettings(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name, value]) => {
    return value !== undefined && /^(?:npm_config_|NODE_EXTRA_CA_CERTS$|https?_proxy$|no_proxy$)/iu.test(name);
  });
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}
