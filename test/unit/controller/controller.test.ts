import { describe, expect, it } from "vitest";
import { type Controller, createController, type ReconcileResult } from "../../../src/controller/controller.ts";
import { LOW_PRIORITY } from "../../../src/controller/work-queue.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { type ManualClock, manualClock } from "../../support/manual-clock.ts";
import { memoryLog, type MemoryLog } from "../../support/memory-log.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly log: MemoryLog;
  readonly controller: Controller;
  /** Keys in the order their work began. */
  readonly begun: string[];
  readonly outcomes: string[];
  readonly stop: AbortController;
  readonly abort: AbortController;
  /** What `run` gave; `undefined` while it runs. */
  readonly end: () => boolean | undefined;
}

type Work = (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>;

function bench(work: Work, workers = 1): Bench {
  const clock = manualClock();
  const log = memoryLog();
  const [begun, outcomes]: [string[], string[]] = [[], []];
  const reconcile: Work = (key, signal) => {
    begun.push(key);
    return work(key, signal);
  };
  const observe = {
    queue: {},
    reconcile: {
      started: () => undefined,
      ended: (outcome: string, ms: number, bug: boolean) => void outcomes.push(`${outcome} ${ms}${bug ? " bug" : ""}`),
    },
  };
  const controller = createController({ name: "thing", clock, log, reconcile, workers, observe });
  const [stop, abort] = [new AbortController(), new AbortController()];
  let end: boolean | undefined;
  void controller.run({ stop: stop.signal, abort: abort.signal }).then((clean) => (end = clean));
  return { clock, log, controller, begun, outcomes, stop, abort, end: () => end };
}

const failing = (message: string): Error => new WasmeError("failed", "SOMETHING", message);

describe("a controller", () => {
  it("works on each key, the newest wishes before those of the start", async () => {
    const clock = manualClock();
    const begun: string[] = [];
    const controller = createController({
      name: "thing",
      clock,
      log: memoryLog(),
      reconcile: async (key) => void begun.push(key),
    });
    controller.enqueue("ns/old", { priority: LOW_PRIORITY });
    controller.enqueue("ns/new");
    const stop = new AbortController();
    const running = controller.run({ stop: stop.signal });
    await clock.advance(0);
    expect(begun).toEqual(["ns/new", "ns/old"]);
    stop.abort();
    expect(await running).toBe(true);
  });

  it("has as many keys in work as it has workers, and no key twice", async () => {
    const open: (() => void)[] = [];
    const { clock, controller, begun } = bench(() => new Promise((resolve) => open.push(resolve)), 3);
    for (const key of ["a", "a", "b", "c", "d", "a"]) controller.enqueue(key);
    await clock.advance(0);
    expect(begun).toEqual(["a", "b", "c"]);
    expect(controller.load).toEqual({ waiting: 1, active: 3 });
    controller.enqueue("a");
    open[1]?.();
    await clock.advance(0);
    expect(begun).toEqual(["a", "b", "c", "d"]);
    open[0]?.();
    await clock.advance(0);
    expect(begun).toEqual(["a", "b", "c", "d", "a"]);
  });

  it("tries again with growing pauses what failed, and says so once for each message", async () => {
    let tries = 0;
    const { clock, controller, log, outcomes } = bench(async () => {
      tries += 1;
      if (tries < 4) throw failing("no such thing");
      if (tries === 4) throw failing("another thing");
    });
    controller.enqueue("ns/a");
    await clock.advance(0);
    expect(tries).toBe(1);
    await clock.advance(5 + 10);
    expect(tries).toBe(3);
    await clock.advance(1000);
    expect(tries).toBe(5);
    expect(outcomes.map((outcome) => outcome.split(" ")[0])).toEqual(["error", "error", "error", "error", "success"]);
    expect(log.entries.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "warn cannot bring ns/a about, trying again",
      "warn cannot bring ns/a about, trying again",
      "info ns/a is well again",
    ]);
    expect(log.entries[0]?.fields).toMatchObject({ controller: "thing", key: "ns/a", error: failing("no such thing") });
    controller.enqueue("ns/a");
    await clock.advance(0);
    expect(tries).toBe(6);
  });

  it("logs what a person has to correct once for each reason, until it is over", async () => {
    const reasons = ["Refused", "Refused", "IdTaken", undefined, undefined];
    let turn = 0;
    const { clock, controller, log } = bench(async () => {
      const reason = reasons[turn];
      turn += 1;
      return reason === undefined ? {} : { trouble: { reason, message: `look ${turn}` }, requeueAfterMs: 1000 };
    });
    controller.enqueue("ns/a");
    await clock.advance(10_000);
    controller.enqueue("ns/a");
    await clock.advance(0);
    expect(turn).toBe(5);
    const { reason, why } = log.entries[0]?.fields ?? {};
    expect([reason, why]).toEqual(["Refused", "look 1"]);
    expect(log.entries.map(({ level, message, fields }) => [level, message, fields["reason"]])).toEqual([
      ["warn", "cannot bring ns/a about", "Refused"],
      ["warn", "cannot bring ns/a about", "IdTaken"],
      ["info", "ns/a is well again", undefined],
    ]);
  });

  it("lets pauses grow when it is not known at once that it failed again", async () => {
    let turn = 0;
    const { clock, controller, log, begun } = bench(async (key) => {
      turn += 1;
      if (turn % 2 === 0) throw failing("no such thing");
      controller.enqueue(key);
      return { isOpen: true };
    });
    controller.enqueue("ns/a");
    await clock.advance(5 + 10 + 20);
    expect(begun).toHaveLength(8);
    await clock.advance(39);
    expect(begun).toHaveLength(8);
    await clock.advance(1);
    expect(begun).toHaveLength(10);
    expect(log.entries.map(({ message }) => message)).toEqual(["cannot bring ns/a about, trying again"]);
  });

  it("outlives bugs of the reconcile, thrown at once or later, and goes on with others", async () => {
    const { clock, controller, log, begun, outcomes } = bench((key) => {
      if (key === "sync") throw new TypeError("undefined is not a function");
      return key === "async" ? Promise.reject("a text") : Promise.resolve();
    });
    for (const key of ["sync", "async", "well"]) controller.enqueue(key);
    await clock.advance(0);
    expect(begun).toEqual(["sync", "async", "well"]);
    expect(outcomes).toEqual(["error 0 bug", "error 0 bug", "success 0"]);
    expect(log.entries.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "error a bug: reconciling sync broke, trying again",
      "error a bug: reconciling async broke, trying again",
    ]);
  });

  it("comes back when asked to, or earlier when something happens", async () => {
    const { clock, controller, begun, outcomes } = bench(async () => ({ requeueAfterMs: 60_000 }));
    controller.enqueue("a");
    await clock.advance(59_999);
    expect(begun).toHaveLength(1);
    await clock.advance(1);
    expect(begun).toHaveLength(2);
    controller.enqueue("a");
    await clock.advance(60_000);
    expect(begun).toHaveLength(4);
    expect(outcomes[0]).toBe("requeue_after 0");
  });

  it("lets work under way finish when it is to stop, and begins nothing", async () => {
    const open: (() => void)[] = [];
    const aborted: boolean[] = [];
    const { clock, controller, begun, stop, end } = bench(async (_key, signal) => {
      await new Promise<void>((resolve) => open.push(resolve));
      aborted.push(signal.aborted);
    });
    controller.enqueue("a");
    controller.enqueue("b");
    await clock.advance(0);
    stop.abort();
    await clock.advance(29_000);
    expect(end()).toBeUndefined();
    open[0]?.();
    await clock.advance(0);
    expect(end()).toBe(true);
    expect(begun).toEqual(["a"]);
    expect(aborted).toEqual([false]);
    expect(clock.sleepers()).toEqual([]);
  });

  it("ends work that takes longer than 30 s, and says that it did", async () => {
    let aborted = false;
    const { clock, controller, log, stop, end } = bench(
      (_key, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            reject(signal.reason as Error);
          });
        }),
    );
    controller.enqueue("a");
    await clock.advance(0);
    stop.abort();
    await clock.advance(29_999);
    expect(aborted).toBe(false);
    await clock.advance(1);
    expect([aborted, end()]).toEqual([true, false]);
    // That it was ended is no failure of the object.
    expect(log.entries).toEqual([]);
  });

  it("ends work at once when the leadership is lost", async () => {
    const signals: AbortSignal[] = [];
    const { clock, controller, abort, end } = bench((_key, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    });
    controller.enqueue("a");
    controller.enqueue("b");
    await clock.advance(0);
    abort.abort(new Error("lost"));
    await clock.advance(0);
    expect(end()).toBe(false);
    expect(signals.map(({ reason }) => (reason as Error).message)).toEqual(["lost"]);
  });

  it("may have many requests under way without a word of Node's", async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error): void => void warnings.push(warning);
    process.on("warning", hear);
    const { clock, controller } = bench((_key, signal) => {
      signal.addEventListener("abort", () => undefined);
      return new Promise(() => undefined);
    }, 20);
    for (let index = 0; index < 20; index += 1) controller.enqueue(`key-${index}`);
    await clock.advance(0);
    process.off("warning", hear);
    expect(controller.load.active).toBe(20);
    expect(warnings).toEqual([]);
  });

  it("stops at once when it was stopped before it began", async () => {
    const clock = manualClock();
    const controller = createController({
      name: "thing",
      clock,
      log: memoryLog(),
      reconcile: () => Promise.reject(new Error("never")),
    });
    controller.enqueue("a");
    expect(await controller.run({ stop: AbortSignal.abort() })).toBe(true);
    expect(clock.sleepers()).toEqual([]);
  });
});
