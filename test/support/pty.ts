import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import { inCi } from "../components/missing.ts";
import { waitFor } from "../components/wait.ts";

/** What runs on the terminal: arguments of `bin/wasme.js`, or any shell command. */
export interface PtyOptions {
  readonly home: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Width of the terminal in characters; default 80. */
  readonly columns?: number;
}

/** A program on a pseudo-terminal. */
export interface PtySession {
  /** Everything written so far, as the terminal got it. */
  raw(): string;
  /** The same without colours and cursor movements. */
  plain(): string;
  /** Waits until what was written since the last call, control sequences left out, matches. */
  seen(pattern: RegExp): Promise<void>;
  type(keys: string): void;
  readonly child: ChildProcess;
  /** Exit code. */
  readonly ended: Promise<number | null>;
}

/** Keys as a terminal sends them. */
export const Keys = { up: "\u001b[A", down: "\u001b[B", enter: "\r", interrupt: "\u0003" } as const;

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const SCRIPT = "/usr/bin/script";

/** Starts the built program on a terminal made by util-linux `script`; without it the test is skipped, in CI it fails. */
export function startOnPty(context: TestContext, args: readonly string[], options: PtyOptions): PtySession {
  return startShellOnPty(context, [process.execPath, BIN, ...args].map(quote).join(" "), options);
}

/** {@link startOnPty} for a command of the shell `sh`. */
export function startShellOnPty(context: TestContext, command: string, options: PtyOptions): PtySession {
  if (!existsSync(SCRIPT)) {
    if (inCi()) throw new Error(`${SCRIPT} (util-linux) is missing`);
    context.skip(`${SCRIPT} (util-linux) is missing`);
  }
  const { home, cwd = home, env = {}, columns = 80 } = options;
  const line = `stty cols ${columns} rows 24; exec ${command}`;
  const child = spawn(SCRIPT, ["--quiet", "--return", "--command", line, "/dev/null"], {
    cwd,
    env: { PATH: process.env["PATH"], HOME: home, TERM: "xterm-256color", SHELL: "/bin/sh", ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  let read = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stdin.on("error", () => undefined);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve(code));
  });
  const plain = (): string => stripVTControlCharacters(output).replaceAll("\r\n", "\n");
  return {
    raw: () => output,
    plain,
    seen: async (pattern) => {
      const look = async (): Promise<number | undefined> => {
        const match = pattern.exec(plain().slice(read));
        return match === null ? undefined : read + match.index + match[0].length;
      };
      read = await waitFor(`the terminal to show ${String(pattern)}`, look, { detail: () => JSON.stringify(output) });
    },
    type: (keys) => void child.stdin.write(keys),
    child,
    ended,
  };
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
