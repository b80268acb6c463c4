import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** What a finished program left. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program; `env` replaces the whole environment, `timeoutMs` (default two minutes) kills it. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end and returns its exit code, whatever it is. Throws when it cannot start or times out. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, timeoutMs = 120_000, ...rest } = options;
  return new Promise((resolve, reject) => {
    const settings = { ...rest, timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 64 << 20 } as const;
    const child = execFile(file, [...args], settings, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
      else reject(new Error(`${file} ${args[0] ?? ""}: ${error.message}\n${tail(stderr)}`, { cause: error }));
    });
    child.stdin?.on("error", () => undefined); // a child that does not read its input closes the pipe early
    child.stdin?.end(input ?? "");
  });
}

/** Like {@link run}, but any exit code other than 0 is an error that shows the end of the program's output. */
export async function runOk(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await run(file, args, options);
  if (result.code === 0) return result;
  throw new Error(`${file} ${args.join(" ")} exited ${result.code}:\n${tail(result.stderr || result.stdout)}`);
}

/** The full path of a program in PATH, or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(directory, name);
    if (directory !== "" && (await isExecutable(path))) return path;
  }
  return undefined;
}

/** Whether the file can be executed. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The last lines of a log, for error messages. */
export function tail(text: string, lines = 20): string {
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}
