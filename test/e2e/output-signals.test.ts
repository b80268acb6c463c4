import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { waitFor } from "../components/wait.ts";
import { cutBody, silence } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { HELLO_WASM, writeModule } from "../support/modules.ts";
import { startShellOnPty } from "../support/pty.ts";
import { type CliOptions, type CliResult, runCli, spawnCli } from "../support/run-cli.ts";
import { snapshot } from "../support/refusal.ts";
import { tempDir } from "../support/temp-dir.ts";

let registry: FaultRegistry;

beforeAll(async () => {
  registry = await startFaultRegistry();
});
afterAll(() => registry.close());
beforeEach(() => registry.reset());

/** Starts a command, sends signals once it is busy, and gives how it ended. */
async function interrupt(
  args: readonly string[],
  options: CliOptions,
  { busy, signals }: { readonly busy: (stderr: string) => boolean; readonly signals: readonly NodeJS.Signals[] },
): Promise<CliResult> {
  const { child, result } = spawnCli(args, options);
  let stderr = "";
  child.stderr?.on("data", (text: string) => (stderr += text));
  await waitFor(`${args.join(" ")} to be busy`, () => (busy(stderr) ? true : undefined), { detail: () => stderr });
  for (const signal of signals) {
    child.kill(signal);
    await waitFor("the signal to be seen", () =>
      stderr.includes("Interrupted") || child.exitCode !== null ? true : undefined,
    );
  }
  return await result;
}

/** A home with a 2 MB image, which the registry has as well when `pushed`. */
async function prepare(name: string, pushed: boolean): Promise<{ home: string; reference: string }> {
  const home = tempDir();
  const reference = `${registry.host}/team/${name}:v1`;
  const module = writeModule(home, "large.wasm", 2_000_000);
  const commands = [
    ["build", "precompiled", module, "-t", reference],
    ["push", reference],
  ];
  for (const args of commands.slice(0, pushed ? 2 : 1)) expect((await runCli(args, { home })).code).toBe(0);
  return { home, reference };
}

/** An AssemblyScript project whose compiler is a line of JavaScript, which is to write its process number to `pid`. */
function projectOf(cwd: string, compiler: string): void {
  const scripts = { asbuild: `node -e "${compiler}"` };
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ name: "p", scripts }));
  mkdirSync(join(cwd, "node_modules/assemblyscript"), { recursive: true });
  writeFileSync(join(cwd, "node_modules/assemblyscript/package.json"), '{"version":"0.9.1"}');
}

/** The compiler's process number once it has started. */
function compilerOf(cwd: string): number | undefined {
  const written = readdirSync(cwd).includes("pid") ? readFileSync(join(cwd, "pid"), "utf8") : "";
  return written === "" ? undefined : Number(written);
}

describe("Ctrl-C", () => {
  it("during a pull leaves no temporary file and no image", async () => {
    const { reference } = await prepare("pull", true);
    registry.on("blob.get", cutBody(100_000, "stall"));
    const home = tempDir();
    const { code, stdout, stderr } = await interrupt(
      ["pull", reference],
      { home, env: { TMPDIR: home } },
      { busy: () => registry.count("blob.get") > 0, signals: ["SIGINT"] },
    );
    expect([code, stdout]).toEqual([130, ""]);
    // The small blob beside the large one may come before, after, or not at all.
    expect(stderr.replace(/^[0-9a-f]{8} {2}.* downloaded\n/mu, "")).toMatch(/^Pulling .*\nInterrupted: .*\n$/u);
    expect(readdirSync(join(home, ".wasme/images/ingest"))).toEqual([]);
    expect(await runCli(["list", "-q"], { home })).toMatchObject({ code: 0, stdout: "" });
  });

  it("during a push leaves the store as it was", async () => {
    const { home, reference } = await prepare("push", false);
    registry.on(["upload.put", "blob.head", "upload.post"], silence());
    const before = snapshot(home);
    const { code, stdout, stderr } = await interrupt(
      ["push", reference],
      { home },
      { busy: () => registry.requests.length > 1, signals: ["SIGINT"] },
    );
    expect([code, stdout], stderr).toEqual([130, ""]);
    expect(snapshot(home)).toEqual(before);
    expect(registry.count("manifest.put")).toBe(0);
  });

  it("during a build ends the compiler and takes its folder away", async () => {
    const home = tempDir();
    const [cwd, temporary] = [tempDir(), join(home, "tmp")];
    mkdirSync(temporary);
    projectOf(cwd, "require('fs').writeFileSync('pid',String(process.pid));setInterval(()=>{},1000)");
    const { code, stdout, stderr } = await interrupt(
      ["build", "assemblyscript", ".", "-t", "a", "--no-install"],
      { home, cwd, env: { TMPDIR: temporary } },
      {
        busy: () => compilerOf(cwd) !== undefined,
        signals: ["SIGINT"],
      },
    );
    expect([code, stdout], stderr).toEqual([130, ""]);
    expect(stderr).not.toMatch(/^Error:/mu);
    await waitFor("the compiler to end", () => (isRunning(compilerOf(cwd) ?? 0) ? undefined : true));
    expect(readdirSync(temporary)).toEqual([]);
    // npm keeps its logs in a folder of its own.
    expect(readdirSync(home).filter((name) => name !== ".npm")).toEqual(["tmp"]);
  });

  it("a second one ends at once what still waits for a compiler that does not listen", async () => {
    const [home, cwd] = [tempDir(), tempDir()];
    const deaf = "process.on('SIGTERM',()=>{});require('fs').writeFileSync('pid',String(process.pid))";
    projectOf(cwd, `${deaf};setInterval(()=>{},1000)`);
    const { code, signal, stderr } = await interrupt(
      ["build", "assemblyscript", ".", "-t", "a", "--no-install"],
      { home, cwd },
      { busy: () => compilerOf(cwd) !== undefined, signals: ["SIGINT", "SIGTERM"] },
    );
    // The code is the second one's: after waiting for the compiler it would be the first one's.
    expect([code, signal], stderr).toEqual([143, null]);
    expect(stderr.match(/^Interrupted/gmu)).toHaveLength(1);
    await waitFor("the compiler to end", () => (isRunning(compilerOf(cwd) ?? 0) ? undefined : true));
  });

  it("SIGTERM gives 143", async () => {
    const { reference } = await prepare("terminated", true);
    registry.on("blob.get", cutBody(100_000, "stall"));
    const { code } = await interrupt(
      ["pull", reference],
      { home: tempDir() },
      { busy: () => registry.count("blob.get") > 0, signals: ["SIGTERM"] },
    );
    expect(code).toBe(143);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("a reader that goes away", () => {
  /** Runs `wasme ARGS | head -0` in bash and gives the exit code of wasme. */
  async function piped(context: TestContext, line: string, home: string): Promise<string> {
    const script = `"$0" "$1" ${line} | head -c 0; echo "code \${PIPESTATUS[0]}"`;
    const words = ["bash", "-c", script, process.execPath, join(import.meta.dirname, "../../bin/wasme.js")];
    const pty = startShellOnPty(context, words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" "), { home });
    await pty.ended;
    return pty.plain();
  }

  it.for([["--help"], ["list"], ["list -o json"], ["completion bash"], ["inspect hello:v1"]])(
    "wasme %s ends quietly",
    async ([line = ""], context) => {
      const home = tempDir();
      expect((await runCli(["build", "precompiled", HELLO_WASM, "-t", "hello:v1"], { home })).code).toBe(0);
      expect(await piped(context, line, home)).toBe("code 0\n");
    },
  );

  it("of stderr too", async (context) => {
    expect(await piped(context, "pull UPPER 2>&1", tempDir())).toBe("code 2\n");
  });
});
