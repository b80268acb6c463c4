import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { saveImages } from "../../src/images/save-image.ts";
import { openStore } from "../../src/store/image-store.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { writeLegacyImage } from "../support/legacy-store.ts";
import { writeModule } from "../support/modules.ts";
import { runCli, spawnCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** 260 kills. `build` compiles from source; `build precompiled` takes the same way into the store in less time. */
const KILLS = { build: 20, "build precompiled": 48, pull: 66, tag: 66, load: 30, "store migrate": 30 } as const;

/** Some runs end before their kill comes; so many are prepared for. */
const RUNS = 120;

type Phase = "before" | "during" | "after";

const work = makeTempDir("wasme-kill-");
const home = join(work, "home");
const store = join(home, ".wasme/images");
const reported = new Set<string>();
let hub: HubServer;

beforeAll(async () => {
  mkdirSync(home, { recursive: true });
  hub = await startHub();
  const publisher = join(work, "publisher");
  mkdirSync(publisher);
  for (let i = 0; i < RUNS; i += 1) {
    const module = writeModule(work, "module.wasm", 400_000);
    const reference = `${hub.host}/kill/p${i}:v1`;
    await succeed(["build", "precompiled", module, "-t", reference], publisher);
    await succeed(["push", reference], publisher);
    // In this process: starting the program for each would take minutes.
    const target = { file: join(work, `archive${i}.tar`) };
    await saveImages({ store: openStore(join(publisher, ".wasme/images")) }, { references: [reference], target });
    writeLegacyImage(join(work, `old${i}`), `h.io/old/p${i}:v1`, { module: readFileSync(module), config: "{}" });
  }
  await succeed(["build", "precompiled", writeModule(work, "first.wasm"), "-t", "first:v1"], home);
  await succeed(["init", "project", "--language", "assemblyscript"], home);
  await succeed(["build", "project", "-t", "warm-up:v1"], home);
  reported.add("docker.io/library/first:v1");
}, 300_000);
afterAll(async () => {
  await hub.close();
  rmSync(work, { recursive: true, force: true });
});

describe.each([
  [
    "build",
    (i: number) => ["build", project(i), "-t", `compiled:v${i}`],
    (i: number) => `docker.io/library/compiled:v${i}`,
  ],
  [
    "build precompiled",
    (i: number) => ["build", "precompiled", writeModule(work, `b${i}.wasm`, 400_000), "-t", `built:v${i}`],
    (i: number) => `docker.io/library/built:v${i}`,
  ],
  ["pull", (i: number) => ["pull", `${hub.host}/kill/p${i}:v1`], (i: number) => `${hub.host}/kill/p${i}:v1`],
  [
    "load",
    (i: number) => ["load", "-f", join(work, `archive${i}.tar`), "-t", `loaded:v${i}`],
    (i: number) => `docker.io/library/loaded:v${i}`,
  ],
  [
    "store migrate",
    (i: number) => ["store", "migrate", "--from", join(work, `old${i}`)],
    (i: number) => `h.io/old/p${i}:v1`,
  ],
  ["tag", (i: number) => ["tag", "first:v1", `tagged:v${i}`], (i: number) => `docker.io/library/tagged:v${i}`],
] as const)("kill -9 of %s", (verb, argsOf, nameOf) => {
  it(`${KILLS[verb]} times: the store opens and holds all that was reported`, { timeout: 600_000 }, async () => {
    const life = await timeline(argsOf);
    const phases: Record<Phase, number> = { before: 0, during: 0, after: 0 };
    let [kills, runs] = [0, 0];
    for (; kills < KILLS[verb]; runs += 1) {
      expect(runs, "runs that ended before they were killed").toBeLessThan(RUNS);
      const before = fingerprint();
      const { child, result } = spawnCli(argsOf(runs), { home });
      const disarm = arm(child, { i: runs, count: KILLS[verb], life });
      const { stdout, code, signal } = await result;
      disarm();
      if (stdout.includes("sha256:") || code === 0) reported.add(nameOf(runs));
      if (runs % 8 === 7) await expectStoreWhole();
      if (signal !== "SIGKILL") continue;
      kills += 1;
      phases[phaseOf(before, nameOf(runs))] += 1;
    }
    await expectStoreWhole();
    process.stdout.write(
      `kill -9 of ${verb}: ${JSON.stringify(phases)} in ${runs} runs, first write after ${life.firstWrite.toFixed(0)} ms, done after ${life.end.toFixed(0)} ms\n`,
    );
    for (const [phase, count] of Object.entries(phases))
      expect(count, `kills ${phase} the write of ${verb}`).toBeGreaterThan(0);
  });
});

describe("kill -9 of save", () => {
  it("25 times: the archive is the old one or the new one, whole", { timeout: 300_000 }, async () => {
    const file = join(work, "saved.tar");
    const [one, two] = [`${hub.host}/kill/p0:v1`, `${hub.host}/kill/p1:v1`];
    const publisher = join(work, "publisher");
    const whole = new Set<string>();
    for (const name of [one, two]) {
      await succeed(["save", name, "-f", file], publisher);
      whole.add(digestOf(readFileSync(file)));
    }
    const began = performance.now();
    await succeed(["save", one, "-f", file], publisher);
    const life = performance.now() - began;
    let kills = 0;
    for (let i = 0; i < 25; i += 1) {
      const { child, result } = spawnCli(["save", i % 2 === 0 ? one : two, "-f", file], { home: publisher });
      // From the time it may have begun to write until it ended.
      const timer = setTimeout(() => child.kill("SIGKILL"), life * (0.6 + (i / 25) * 0.5));
      if ((await result).signal === "SIGKILL") kills += 1;
      clearTimeout(timer);
      expect(whole).toContain(digestOf(readFileSync(file)));
    }
    expect(kills).toBeGreaterThan(0);
  });
});

describe("kill -9 of store prune", () => {
  it("25 times: what is named stays whole, and the next one finishes", { timeout: 300_000 }, async () => {
    const lone = join(store, "blobs/sha256");
    const prune = ["store", "prune", "--grace", "0"];
    const began = performance.now();
    await succeed(prune, home);
    const life = performance.now() - began;
    let kills = 0;
    for (let i = 0; i < 25; i += 1) {
      for (let at = 0; at < 40; at += 1) {
        const content = randomBytes(2000);
        writeFileSync(join(lone, digestOf(content).slice("sha256:".length)), content);
      }
      const { child, result } = spawnCli(prune, { home });
      const timer = setTimeout(() => child.kill("SIGKILL"), life * (0.7 + (i / 25) * 0.4));
      if ((await result).signal === "SIGKILL") kills += 1;
      clearTimeout(timer);
      await expectStoreWhole();
    }
    expect(kills).toBeGreaterThan(0);
    await succeed(prune, home);
    const { stdout } = await runCli(["store", "verify", "-o", "json"], { home });
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, unnamed: { files: 0 }, unfinished: { files: 0 } });
  });
});

interface Life {
  readonly firstWrite: number;
  readonly indexed: number;
  readonly end: number;
}

/** When the command first writes, when its name stands in the index, and when it ends: ms after the start, medians of five runs on a copy. */
async function timeline(argsOf: (i: number) => readonly string[]): Promise<Life> {
  const runs: Life[] = [];
  for (let round = 0; round < 5; round += 1) {
    const copy = join(work, `timeline-${round}`);
    rmSync(copy, { recursive: true, force: true });
    cpSync(home, copy, { recursive: true });
    const folder = join(copy, ".wasme/images");
    const args = argsOf(RUNS - 1);
    const began = performance.now();
    let [firstWrite, indexed] = [0, 0];
    // Watching instead of polling: the registry runs in this process and must not starve.
    const watchers = [folder, join(folder, "blobs/sha256")].map((place) =>
      watch(place, (_event, name) => {
        if (firstWrite === 0) firstWrite = performance.now() - began;
        if (name === "index.json") indexed = performance.now() - began;
      }),
    );
    const { result } = spawnCli(args, { home: copy });
    expect((await result).code).toBe(0);
    for (const watcher of watchers) watcher.close();
    const end = performance.now() - began;
    runs.push({
      firstWrite: firstWrite === 0 ? end * 0.8 : firstWrite,
      indexed: indexed === 0 ? end * 0.9 : indexed,
      end,
    });
    rmSync(copy, { recursive: true, force: true });
  }
  const middle = (pick: (life: Life) => number): number => runs.map(pick).toSorted((a, b) => a - b)[2] ?? 0;
  return { firstWrite: middle((l) => l.firstWrite), indexed: middle((l) => l.indexed), end: middle((l) => l.end) };
}

/**
 * Sets the kill of a run, in turn: somewhere in its whole life, in the short time in which it writes, at the first
 * sign of a write, when its name is in the index. Gives what takes the kill back.
 */
function arm(child: ChildProcess, { i, count, life }: { i: number; count: number; life: Life }): () => void {
  const kill = (): void => void child.kill("SIGKILL");
  if (i % 4 >= 2) {
    const wanted = (name: string | null): boolean => i % 4 === 2 || name === "index.json";
    // A "change" may be a touch of content that is there already; a "rename" is a file that comes or goes.
    const watchers = [store, join(store, "blobs/sha256")].map((place) =>
      watch(place, (event, name) => (event === "rename" && wanted(name) ? kill() : undefined)),
    );
    return () => watchers.forEach((watcher) => watcher.close());
  }
  const share = (i % count) / count;
  const [from, to] = i % 4 === 0 ? [0, life.end * 1.2] : [life.firstWrite * 0.97 - 2, life.indexed + 4];
  const timer = setTimeout(kill, from + share * (to - from));
  return () => clearTimeout(timer);
}

/** The project with another string in its source, so that every build makes a module of its own. */
function project(i: number): string {
  const source = join(home, "project/assembly/index.ts");
  const text = readFileSync(source, "utf8");
  writeFileSync(source, text.replace(/"world[^"]*"/u, `"world ${i} ${Date.now()}"`));
  return "project";
}

function fingerprint(folder = store): { files: string; index: string } {
  const index = join(folder, "index.json");
  return {
    files: existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted().join("\n") : "",
    index: existsSync(index) ? readFileSync(index, "utf8") : "",
  };
}

function phaseOf(before: { files: string; index: string }, name: string): Phase {
  const now = fingerprint();
  if (now.index.includes(`"${name}"`)) return "after";
  return now.files === before.files ? "before" : "during";
}

async function expectStoreWhole(): Promise<void> {
  const { stdout, code, stderr } = await runCli(["list", "-o", "json"], { home });
  expect(code, stderr).toBe(0);
  const { images } = JSON.parse(stdout) as { images: { reference: string; state: string }[] };
  expect(images.filter((image) => image.state !== "ok")).toEqual([]);
  const there = new Set(images.map((image) => image.reference));
  expect([...reported].filter((name) => !there.has(name))).toEqual([]);
}

async function succeed(args: readonly string[], runHome: string): Promise<void> {
  const { code, stderr } = await runCli(args, { home: runHome });
  expect(code, stderr).toBe(0);
}
