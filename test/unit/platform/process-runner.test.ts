import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runProcess } from "../../../src/platform/process-runner.ts";
import { waitFor } from "../../components/wait.ts";
import { tempDir } from "../../support/temp-dir.ts";

const env = { PATH: process.env["PATH"] };
const node = (script: string): [string, string[]] => [process.execPath, ["-e", script]];

/** A shell that starts a child, writes down its pid, and stays: quicker than a Node that does. */
const family = (file: string): [string, string[]] => ["sh", ["-c", `sleep 600 & echo $! > '${file}'; wait`]];

async function pidIn(file: string): Promise<number> {
  const written = (): string => (existsSync(file) ? readFileSync(file, "utf8") : "");
  return Number(await waitFor("the child", () => (written().endsWith("\n") ? written() : undefined)));
}

async function gone(pid: number): Promise<boolean> {
  return await waitFor("the child to be gone", () => {
    try {
      process.kill(pid, 0);
      return undefined;
    } catch {
      return true;
    }
  });
}

describe("runProcess", () => {
  it("gives exit code and output, and lines as they come", async () => {
    const lines: string[] = [];
    const [command, args] = node('console.log("out"); console.error("err"); process.exitCode = 3');
    const result = await runProcess(command, args, { env, onLine: (line) => lines.push(line) });
    expect(result).toEqual({ exitCode: 3, stdout: "out\n", stderr: "err\n" });
    expect(lines.toSorted()).toEqual(["err", "out"]);
  });

  it("passes input, and only the environment it was given", async () => {
    const [command, args] = node(
      'process.stdin.pipe(process.stdout); console.error(Object.keys(process.env).includes("HOME"))',
    );
    expect(await runProcess(command, args, { env, input: "hello" })).toMatchObject({
      stdout: "hello",
      stderr: "false\n",
    });
  });

  it("tells when a program does not exist", async () => {
    expect(await runProcess("wasme-no-such-program", [], { env })).toMatchObject({
      exitCode: undefined,
      failure: "ENOENT",
    });
  });

  it("ends the whole family on an abort", async () => {
    const file = join(tempDir(), "pid");
    const controller = new AbortController();
    const run = runProcess(...family(file), { env, signal: controller.signal });
    const pid = await pidIn(file);
    controller.abort(new Error("stop"));
    await expect(run).rejects.toThrow("stop");
    expect(await gone(pid)).toBe(true);
  });

  it("ends it after the time-out, and says so", async () => {
    const file = join(tempDir(), "pid");
    const run = runProcess(...family(file), { env, timeoutMs: 1500 });
    const pid = await pidIn(file);
    expect(await run).toMatchObject({ failure: "ETIMEDOUT" });
    expect(await gone(pid)).toBe(true);
  });

  it("refuses output without end", async () => {
    const [command, args] = node('for (;;) process.stdout.write("x".repeat(65536))');
    expect(await runProcess(command, args, { env, maxOutput: 100_000 })).toMatchObject({ failure: "EMAXBUFFER" });
  });
});
