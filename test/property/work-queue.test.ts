import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createQueue, type WorkQueue } from "../../src/controller/work-queue.ts";
import { type ManualClock, manualClock } from "../support/manual-clock.ts";

/**
 * What a queue owes, as a model: for each key the earliest moment somebody wants it, and whether it is in work.
 * Nothing is said about order.
 */
class Model {
  readonly wanted = new Map<string, number>();
  readonly working = new Set<string>();
  readonly retries = new Map<string, number>();

  want(key: string, at: number): void {
    this.wanted.set(key, Math.min(at, this.wanted.get(key) ?? Number.POSITIVE_INFINITY));
  }

  takeable(now: number): readonly string[] {
    return [...this.wanted].filter(([key, at]) => at <= now && !this.working.has(key)).map(([key]) => key);
  }
}

interface World {
  readonly clock: ManualClock;
  readonly queue: WorkQueue;
  readonly model: Model;
}

type Step = (world: World) => Promise<void>;

const key = fc.constantFrom("a", "b", "c", "d");
const priority = fc.constantFrom(-100, 0, 7);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({ key, priority, afterMs: fc.constantFrom(0, 0, 3, 50, 1000) })
    .map(({ key: own, ...options }): Step => async ({ clock, queue, model }) => {
      queue.add(own, options);
      model.want(own, clock.elapsed() + options.afterMs);
    }),
  key.map((own): Step => async ({ clock, queue, model }) => {
    const before = model.retries.get(own) ?? 0;
    model.retries.set(own, before + 1);
    queue.addRateLimited(own);
    model.want(own, clock.elapsed() + Math.min(5 * 2 ** before, 1_000_000));
  }),
  key.map((own): Step => async ({ queue, model }) => {
    model.retries.delete(own);
    queue.forget(own);
  }),
  fc.constant<Step>(async ({ clock, queue, model }) => {
    const can = model.takeable(clock.elapsed());
    if (queue.size !== can.length) throw new Error(`the queue has ${queue.size} keys, not ${can.join(", ")}`);
    if (can.length === 0) return;
    const { key: taken = "" } = (await queue.take()) ?? {};
    if (!can.includes(taken)) throw new Error(`${taken} was handed out, not one of ${can.join(", ")}`);
    model.wanted.delete(taken);
    model.working.add(taken);
  }),
  key.map((own): Step => async ({ queue, model }) => {
    model.working.delete(own);
    queue.done(own);
  }),
  fc.constantFrom(1, 4, 40, 900, 20_000).map(
    (ms): Step =>
      async ({ clock }) =>
        clock.advance(ms),
  ),
);

describe("the work queue against a model", () => {
  it("never has a key with two workers, hands out what is due and nothing else, and loses nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = manualClock();
        const queue = createQueue({ clock, perSecond: 1e9, burst: 1e9 });
        const world = { clock, queue, model: new Model() };
        for (const run of steps) {
          await run(world);
          expect(queue.size).toBe(world.model.takeable(clock.elapsed()).length);
          expect(queue.active).toBe(world.model.working.size);
        }
        // In the end everything that was wanted comes out, once all are done and time has passed.
        for (const own of world.model.working) queue.done(own);
        world.model.working.clear();
        await clock.advance(2_000_000);
        const left: string[] = [];
        while (queue.size > 0) left.push((await queue.take())?.key ?? "");
        expect(left.toSorted()).toEqual([...world.model.wanted.keys()].toSorted());
        queue.close();
      }),
      { numRuns: 150 },
    );
  });
});
