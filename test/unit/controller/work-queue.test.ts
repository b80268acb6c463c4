import { describe, expect, it } from "vitest";
import { createQueue, LOW_PRIORITY, type WorkQueue } from "../../../src/controller/work-queue.ts";
import { type ManualClock, manualClock } from "../../support/manual-clock.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly queue: WorkQueue;
  /** Takes what can be taken now. */
  readonly drain: () => Promise<readonly string[]>;
}

function bench(options: { readonly perSecond?: number; readonly burst?: number } = {}): Bench {
  const clock = manualClock();
  const queue = createQueue({ clock, ...options });
  const drain = async (): Promise<readonly string[]> => {
    const keys: string[] = [];
    while (queue.size > 0) keys.push((await queue.take())?.key ?? "");
    return keys;
  };
  return { clock, queue, drain };
}

describe("the work queue", () => {
  it("holds a key once, in order of arrival", async () => {
    const { queue, drain } = bench();
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    expect(await drain()).toEqual(["a", "b", "c"]);
  });

  it("hands a key that was added while in work out again, after it is done", async () => {
    const { queue, drain } = bench();
    queue.add("a");
    expect(await drain()).toEqual(["a"]);
    queue.add("a");
    queue.add("a");
    expect(queue.size).toBe(0);
    expect(queue.active).toBe(1);
    queue.done("a");
    expect(await drain()).toEqual(["a"]);
    queue.done("a");
    expect(await drain()).toEqual([]);
    expect(queue.active).toBe(0);
  });

  it("serves who waits already", async () => {
    const { queue } = bench();
    const waiting = [queue.take(), queue.take()];
    queue.add("a");
    queue.add("b");
    expect((await Promise.all(waiting)).map((taken) => taken?.key)).toEqual(["a", "b"]);
  });

  it("takes higher priorities first, and keeps the highest a key was added with", async () => {
    const { queue, drain } = bench();
    queue.add("late", { priority: LOW_PRIORITY });
    queue.add("raised", { priority: LOW_PRIORITY });
    queue.add("now");
    queue.add("raised");
    queue.add("raised", { priority: LOW_PRIORITY });
    queue.add("urgent", { priority: 5 });
    expect(await drain()).toEqual(["urgent", "now", "raised", "late"]);
  });

  it("holds a delayed key back until its time, the earliest of several", async () => {
    const { clock, queue, drain } = bench();
    queue.add("a", { afterMs: 1000 });
    queue.add("b", { afterMs: 500 });
    queue.add("a", { afterMs: 700 });
    queue.add("b", { afterMs: 900 });
    await clock.advance(499);
    expect(await drain()).toEqual([]);
    await clock.advance(1);
    expect(await drain()).toEqual(["b"]);
    await clock.advance(200);
    expect(await drain()).toEqual(["a"]);
    queue.done("a");
    queue.done("b");
    await clock.advance(5000);
    expect(await drain()).toEqual([]);
  });

  it("does not let a delay hold back who is wanted now", async () => {
    const { queue, drain } = bench();
    queue.add("a", { afterMs: 1000 });
    queue.add("a");
    expect(await drain()).toEqual(["a"]);
  });

  it("waits for days", async () => {
    const { clock, queue, drain } = bench();
    const days = 40 * 24 * 3_600_000;
    queue.add("a", { afterMs: days });
    await clock.advance(days - 1);
    expect(await drain()).toEqual([]);
    await clock.advance(1);
    expect(await drain()).toEqual(["a"]);
  });

  it("backs off from 5 ms to 1000 s for each key, and from the start after it did well", async () => {
    const { clock, queue, drain } = bench({ burst: 1e6 });
    const waits: number[] = [];
    for (let tries = 0; tries < 20; tries += 1) {
      queue.addRateLimited("a");
      const [wait = 0] = clock.sleepers();
      waits.push(wait);
      await clock.advance(wait);
      expect(await drain()).toEqual(["a"]);
      queue.done("a");
    }
    expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(waits.slice(-2)).toEqual([1_000_000, 1_000_000]);
    queue.forget("a");
    queue.addRateLimited("a");
    expect(clock.sleepers()).toEqual([5]);
  });

  it("limits retries of all keys together to 10 a second after 100, and plain adds not at all", async () => {
    const { clock, queue, drain } = bench();
    for (let index = 0; index < 150; index += 1) queue.addRateLimited(`retry-${index}`);
    for (let index = 0; index < 1000; index += 1) queue.add(`plain-${index}`);
    expect(await drain()).toHaveLength(1000);
    await clock.advance(5);
    expect(await drain()).toHaveLength(100);
    await clock.advance(995);
    expect(await drain()).toHaveLength(10);
    await clock.advance(4000);
    expect(await drain()).toHaveLength(40);
  });

  it("gives nothing after it was closed, also to who waits", async () => {
    const { clock, queue } = bench();
    const waiting = queue.take();
    queue.close();
    expect(await waiting).toBeUndefined();
    queue.add("a");
    queue.addRateLimited("b");
    expect(await queue.take()).toBeUndefined();
    expect(clock.sleepers()).toEqual([]);
  });

  it("tells an observer", async () => {
    const clock = manualClock();
    const told: string[] = [];
    const queue = createQueue({
      clock,
      observer: {
        depth: (keys) => told.push(`depth ${keys}`),
        added: () => told.push("added"),
        retried: () => told.push("retried"),
        taken: (ms) => told.push(`taken ${ms}`),
        done: (ms) => told.push(`done ${ms}`),
      },
    });
    queue.add("a");
    await clock.advance(7);
    await queue.take();
    await clock.advance(3);
    queue.done("a");
    queue.addRateLimited("a");
    expect(told).toEqual(["added", "depth 1", "depth 0", "taken 7", "done 3", "retried", "added"]);
  });
});
