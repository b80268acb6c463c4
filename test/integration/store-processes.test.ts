import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/store/image-store.ts";
import { tempDir } from "../support/temp-dir.ts";

const WORKER = fileURLToPath(new URL("../support/store-worker.mjs", import.meta.url));

interface Worker {
  readonly child: ChildProcess;
  /** Names it reported as stored so far. */
  readonly names: () => readonly string[];
  readonly ended: Promise<number | null>;
}

function startWorker(dir: string, mode: "tag" | "store", first: string, count: number): Worker {
  const child = spawn(process.execPath, [WORKER, dir, mode, first, String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const ended = once(child, "close").then(([code]) => code as number | null);
  // A line cut off by the kill was not reported.
  return {
    child,
    names: () =>
      text
        .split("\n")
        .slice(0, -1)
        .filter((line) => line !== "ready"),
    ended,
  };
}

describe("a store used by several processes", () => {
  it("loses none of 240 names, tagged by six processes at once", async () => {
    const dir = join(tempDir(), "images");
    const workers = ["a", "b", "c", "d", "e", "f"].map((first) => startWorker(dir, "tag", first, 40));
    expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0, 0, 0, 0, 0]);
    const entries = await openStore(dir).entries();
    expect(new Set(entries.map(({ reference }) => reference)).size).toBe(240);
    expect(entries.every(({ state }) => state === "ok")).toBe(true);
    expect(readdirSync(dir).toSorted()).toEqual(["blobs", "index.json", "ingest", "oci-layout"]);
  });

  it("opens and holds everything that was reported after every one of 30 kills", async () => {
    const dir = join(tempDir(), "images");
    const reported: string[] = [];
    let withLock = 0;
    for (let round = 0; round < 30; round += 1) {
      const workers = ["x", "y"].map((first) => startWorker(dir, "store", `${first}${round}`, 10_000));
      await Promise.all(workers.map(({ child }) => once(child.stdout ?? child, "data")));
      await new Promise((resolve) => setTimeout(resolve, 3 + Math.random() * 40));
      for (const { child } of workers) child.kill("SIGKILL");
      await Promise.all(workers.map(({ ended }) => ended));
      if (existsSync(join(dir, "index.lock"))) withLock += 1;
      reported.push(...workers.flatMap(({ names }) => names()));
      const entries = await openStore(dir).entries();
      expect(entries.filter(({ state }) => state === "damaged")).toEqual([]);
      const names = new Set(entries.map(({ reference }) => reference));
      expect(reported.filter((name) => !names.has(name))).toEqual([]);
    }
    expect(reported.length).toBeGreaterThan(0);
    // Some kills must have hit a process that held the lock, else its take-over was not tested.
    expect(withLock).toBeGreaterThan(0);
    const store = openStore(dir);
    for (const entry of await store.entries()) {
      if (entry.state !== "ok" || entry.manifest.kind !== "image") throw new Error(`${entry.reference} is not usable`);
      for (const layer of entry.manifest.manifest.layers) expect(await store.verify(layer)).toBe(true);
    }
    expect(await store.prune({ graceMs: -60_000 })).toMatchObject({ skipped: undefined });
    expect(readdirSync(join(dir, "ingest"))).toEqual([]);
  });
});

describe("the lock of a store", () => {
  const lock = (dir: string): string => join(dir, "index.lock");

  it("names a holder that does not let go, and waits for one that does", async () => {
    const dir = join(tempDir(), "images");
    const worker = startWorker(dir, "tag", "a", 1);
    expect(await worker.ended).toBe(0);
    const descriptor = await openStore(dir).resolve("h.io/r:a-0");
    if (descriptor === undefined) throw new Error("not stored");
    writeFileSync(lock(dir), JSON.stringify({ pid: 1, host: "elsewhere", boot: "b", namespace: "n", started: "1" }));
    const impatient = openStore(dir, { waitMs: 50 });
    await expect(impatient.tag("h.io/r:b", descriptor)).rejects.toMatchObject({
      code: "LOCKED",
      message: expect.stringContaining("process 1 on elsewhere"),
    });
    expect(JSON.parse(readFileSync(lock(dir), "utf8"))).toMatchObject({ host: "elsewhere" });
    expect(await impatient.resolve("h.io/r:a-0")).toEqual(descriptor);
  });

  it.each([
    ["a process that is gone", { pid: 2 ** 22 - 3 }],
    ["another process that had the same number", { pid: process.pid, started: "1" }],
    ["a process from before the last boot", { pid: process.pid, boot: "another" }],
  ])("is taken over from %s", async (_case, holder) => {
    const dir = join(tempDir(), "images");
    expect(await startWorker(dir, "tag", "a", 1).ended).toBe(0);
    const descriptor = await openStore(dir).resolve("h.io/r:a-0");
    if (descriptor === undefined) throw new Error("not stored");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    writeFileSync(
      lock(dir),
      JSON.stringify({ host: hostname(), boot, namespace: namespaceOf(), started: "", ...holder }),
    );
    await openStore(dir, { waitMs: 2000 }).tag("h.io/r:b", descriptor);
    expect(existsSync(lock(dir))).toBe(false);
  });

  it.each([
    ["empty", ""],
    ["half written", '{"pid":12'],
    ["something else", "[]"],
    ["without a process", JSON.stringify({ host: hostname(), boot: "b" })],
  ])("that is %s is left to its maker for some seconds, then taken over", async (_case, content) => {
    const dir = join(tempDir(), "images");
    expect(await startWorker(dir, "tag", "a", 1).ended).toBe(0);
    const descriptor = await openStore(dir).resolve("h.io/r:a-0");
    if (descriptor === undefined) throw new Error("not stored");
    writeFileSync(lock(dir), content);
    const store = openStore(dir, { waitMs: 50 });
    await expect(store.tag("h.io/r:b", descriptor)).rejects.toMatchObject({
      code: "LOCKED",
      message: expect.stringContaining("an unknown process"),
      hint: expect.stringContaining("delete the file"),
    });
    expect(readFileSync(lock(dir), "utf8")).toBe(content);
    const minuteAgo = new Date(Date.now() - 60_000);
    utimesSync(lock(dir), minuteAgo, minuteAgo);
    await store.tag("h.io/r:b", descriptor);
    expect(existsSync(lock(dir))).toBe(false);
  });

  it("is not judged where its holder cannot be seen: another container of this host", async () => {
    const dir = join(tempDir(), "images");
    expect(await startWorker(dir, "tag", "a", 1).ended).toBe(0);
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const holder = { pid: 2 ** 22 - 3, host: hostname(), boot, namespace: "pid:[1]", started: "1" };
    writeFileSync(lock(dir), JSON.stringify(holder));
    await expect(openStore(dir, { waitMs: 50 }).untag("h.io/r:a-0")).rejects.toMatchObject({ code: "LOCKED" });
    expect(existsSync(lock(dir))).toBe(true);
  });
});

function namespaceOf(): string {
  return readlinkSync("/proc/self/ns/pid");
}
