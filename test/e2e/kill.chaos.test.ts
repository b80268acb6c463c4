import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { saveImages } from "../../src/images/save-image.ts";
import { openStore } from "../../src/store/image-store.ts";
import { storeTestImage, testImage } from "../support/fault-image.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { writeLegacyImage } from "../support/legacy-store.ts";
import { writeModule } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { killLoop, type Phase } from "./kill-support.ts";

/**
 * 110 kills of these and 50 more; `WASME_TEST_KILLS=full` makes them 260. `build` compiles from source; `build precompiled`
 * takes the same way into the store in a tenth of the time, so that most kills are of that one.
 */
const KILLS =
  process.env["WASME_TEST_KILLS"] === "full"
    ? { build: 20, "build precompiled": 48, pull: 66, tag: 66, load: 30, "store migrate": 30 }
    : { build: 6, "build precompiled": 20, pull: 28, tag: 28, load: 14, "store migrate": 14 };

const work = makeTempDir("wasme-kill-");
const home = join(work, "home");
const store = join(home, ".wasme/images");
const reported = new Set<string>();
/** The number of the next run of each verb, for a test that is tried again. */
const next = new Map<string, number>();
let hub: HubServer;

beforeAll(async () => {
  mkdirSync(home, { recursive: true });
  hub = await startHub();
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
  ["pull", async (i: number) => ["pull", await publish(`p${i}`)], (i: number) => `${hub.host}/kill/p${i}:v1`],
  [
    "load",
    async (i: number) => ["load", "-f", await archive(i), "-t", `loaded:v${i}`],
    (i: number) => `docker.io/library/loaded:v${i}`,
  ],
  ["store migrate", (i: number) => ["store", "migrate", "--from", oldStore(i)], (i: number) => `h.io/old/p${i}:v1`],
  ["tag", (i: number) => ["tag", "first:v1", `tagged:v${i}`], (i: number) => `docker.io/library/tagged:v${i}`],
] as const)("kill -9 of %s", (verb, argsOf, nameOf) => {
  it(`${KILLS[verb]} times: the store opens and holds all that was reported`, { timeout: 1_800_000 }, async () => {
    let before = fingerprint();
    const { phases, end } = await killLoop({
      verb,
      kills: KILLS[verb],
      home,
      folder: store,
      from: next.get(verb) ?? 0,
      prepare: async (i) => {
        // Before anything is made, so that no number is used again when making it fails.
        next.set(verb, i + 1);
        const args = await argsOf(i);
        before = fingerprint();
        return args;
      },
      phaseOf: (i) => phaseOf(before, nameOf(i)),
      judge: async (i, { stdout, code }) => {
        if (stdout.includes("sha256:") || code === 0) reported.add(nameOf(i));
        if (i % 8 === 7) await expectStoreWhole();
      },
    });
    next.set(verb, end);
    await expectStoreWhole();
    // Kills that all came too early, or too late, would show nothing.
    expect(Object.values(phases)).not.toContain(0);
  });
});

describe("kill -9 of save", () => {
  it("25 times: the archive is the old one or the new one, whole", { timeout: 900_000 }, async () => {
    const folder = join(work, "saved");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "saved.tar");
    const saved = new Map<string, string>();
    const publisher = join(work, "publisher");
    for (const name of ["h.io/save/one:v1", "h.io/save/two:v1"]) {
      await storeTestImage(openStore(join(publisher, ".wasme/images")), testImage(400_000, name), name);
      await succeed(["save", name, "-f", file], publisher);
      saved.set(digestOf(readFileSync(file)), name);
    }
    const nameOfFile = (): string | undefined => saved.get(digestOf(readFileSync(file)));
    let [wanted, there] = ["", 0];
    const { phases } = await killLoop({
      verb: "save",
      kills: 25,
      home: publisher,
      folder,
      from: 0,
      prepare: () => {
        wanted = [...saved.values()].find((name) => name !== nameOfFile()) ?? "";
        there = readdirSync(folder).length;
        return ["save", wanted, "-f", file];
      },
      phaseOf: () => {
        if (nameOfFile() === wanted) return "after";
        return readdirSync(folder).length === there ? "before" : "during";
      },
      judge: () => expect([...saved.values()]).toContain(nameOfFile()),
    });
    // Kills that all came too early, or too late, would show nothing.
    expect(Object.values(phases)).not.toContain(0);
  });
});

describe("kill -9 of store prune", () => {
  it("25 times: what is named stays whole, and the next one finishes", { timeout: 900_000 }, async () => {
    const prune = ["store", "prune", "--grace", "0"];
    let lone: readonly string[] = [];
    const { phases } = await killLoop({
      verb: "prune",
      kills: 25,
      home,
      folder: store,
      from: 0,
      prepare: () => {
        // What an early kill left would make the next run longer, and aims at its end would miss.
        for (const path of lone) rmSync(path, { force: true });
        lone = Array.from({ length: 40 }, () => loneBlob());
        return prune;
      },
      phaseOf: () => {
        const left = lone.filter((path) => existsSync(path)).length;
        if (left === lone.length) return "before";
        return left > 0 ? "during" : "after";
      },
      judge: expectStoreWhole,
    });
    // Kills that all came too early, or too late, would show nothing.
    expect(Object.values(phases)).not.toContain(0);
    await succeed(prune, home);
    const { stdout } = await runCli(["store", "verify", "-o", "json"], { home });
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, unnamed: { files: 0 }, unfinished: { files: 0 } });
  });
});

/** Puts an image of its own into the registry. */
async function publish(name: string): Promise<string> {
  await storeTestImage(hub.store, testImage(400_000, name), `${hub.name}/kill/${name}:v1`);
  return `${hub.host}/kill/${name}:v1`;
}

/** An archive with an image of its own. */
async function archive(i: number): Promise<string> {
  const file = join(work, `archive${i}.tar`);
  const images = openStore(join(work, "to-save"));
  await storeTestImage(images, testImage(400_000, `archive ${i}`), `h.io/archive/p${i}:v1`);
  await saveImages({ store: images }, { references: [`h.io/archive/p${i}:v1`], target: { file } });
  return file;
}

/** A store of the old tool with one image of its own. */
function oldStore(i: number): string {
  const folder = join(work, `old${i}`);
  const module = readFileSync(writeModule(work, "module.wasm", 400_000));
  writeLegacyImage(folder, `h.io/old/p${i}:v1`, { module, config: "{}" });
  return folder;
}

/** The project with another string in its source, so that every build makes a module of its own. */
function project(i: number): string {
  const source = join(home, "project/assembly/index.ts");
  const text = readFileSync(source, "utf8");
  writeFileSync(source, text.replace(/"world[^"]*"/u, `"world ${i} ${Date.now()}"`));
  return "project";
}

/** Content that no name leads to. */
function loneBlob(): string {
  const content = randomBytes(2000);
  const path = join(store, "blobs/sha256", digestOf(content).slice("sha256:".length));
  writeFileSync(path, content);
  return path;
}

function fingerprint(): { files: string; index: string } {
  const index = join(store, "index.json");
  return {
    files: existsSync(store) ? readdirSync(store, { recursive: true, encoding: "utf8" }).toSorted().join("\n") : "",
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
