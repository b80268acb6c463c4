import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { runProcess } from "../../../src/platform/process-runner.ts";
import { type Probe, probe } from "../../../src/toolchain/probe.ts";
import type { ToolchainDeps } from "../../../src/toolchain/runner.ts";
import { fakeProgram } from "../../support/fake-program.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** A compiler that copies its source, and writes down that it was called. */
const COMPILER =
  'case "$1" in version) echo "cc 1.2"; exit;; esac\necho x >> "$(dirname "$0")/calls"\ncp "$1" out.wasm';

let folder: string;
let deps: ToolchainDeps;

beforeEach(() => {
  folder = tempDir();
  const paths = { home: join(folder, "home"), tmp: folder };
  deps = { exec: runProcess, env: process.env, signal: new AbortController().signal, paths };
});

async function question(script = COMPILER, key = "wasm"): Promise<Probe> {
  const tool = await fakeProgram(join(folder, "bin"), "cc", script);
  return { tool, key, files: { "a.c": "int x;" }, args: ["a.c"], output: "out.wasm", versionArgs: ["version"] };
}

async function calls(): Promise<number> {
  const text = await readFile(join(folder, "bin", "calls"), "utf8").catch(() => "");
  return text.length / 2;
}

describe("probe", () => {
  it("asks once, and tells the version", async () => {
    const asked = await question();
    const expected = { ok: true, version: "cc 1.2", said: "" };
    expect(await probe(deps, asked)).toEqual(expected);
    expect(await probe(deps, asked)).toEqual(expected);
    expect(await calls()).toBe(1);
  });

  it("asks again when the tool or the question changes, and drops the old answer", async () => {
    const asked = await question();
    await probe(deps, asked);
    await utimes(asked.tool, 1_000_000, 1_000_000);
    await probe(deps, asked);
    expect(await calls()).toBe(2);
    await probe(deps, { ...asked, files: { "a.c": "int y;" } });
    expect(await calls()).toBe(3);
    const kept: object = JSON.parse(await readFile(join(deps.paths.home, "cache", "probes.json"), "utf8"));
    expect(Object.keys(kept)).toHaveLength(1);
  });

  it("does not remember that it failed: what was missing may come without a change of the tool", async () => {
    const asked = await question('echo "cannot find -lc" >&2; test -e "$(dirname "$0")/sysroot" && cp "$1" out.wasm');
    for (const _ of [1, 2]) expect(await probe(deps, asked)).toMatchObject({ ok: false, said: "cannot find -lc" });
    await writeFile(join(folder, "bin", "sysroot"), "");
    expect(await probe(deps, asked)).toMatchObject({ ok: true });
  });

  it("wants the file, whatever the exit code says", async () => {
    expect(await probe(deps, await question("exit 0"))).toMatchObject({ ok: false });
  });

  it("lives with a damaged file, and with one that cannot be written", async () => {
    const asked = await question();
    await probe(deps, asked);
    await writeFile(join(deps.paths.home, "cache", "probes.json"), '{"wasm": [1');
    expect(await probe(deps, asked)).toMatchObject({ ok: true });
    const paths = { ...deps.paths, home: "/proc/nowhere" };
    expect(await probe({ ...deps, paths }, asked)).toMatchObject({ ok: true });
    expect(await calls()).toBe(3);
  });

  it("answers many at once, and keeps a file that can be read", async () => {
    const asked = await question();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => probe(deps, { ...asked, key: `k${index}` })),
    );
    expect(answers.every(({ ok }) => ok)).toBe(true);
    const kept: unknown = JSON.parse(await readFile(join(deps.paths.home, "cache", "probes.json"), "utf8"));
    expect(kept).toBeInstanceOf(Object);
  });
});
