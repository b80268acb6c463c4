import { describe, expect, it } from "vitest";
import { HeldRequests, type Wait, type WaitEnd } from "../../../src/cache/held-requests.ts";
import { entriesOfText } from "../../../src/cache/list-entry.ts";
import { Limit, Limits } from "../../../src/cache/limit.ts";
import { judgeFailure } from "../../../src/cache/pull-failure.ts";
import { ReportBook } from "../../../src/cache/report-book.ts";
import { Room } from "../../../src/cache/room.ts";
import { SingleFlight } from "../../../src/cache/single-flight.ts";
import { Wake } from "../../../src/cache/wake.ts";
import { systemClock } from "../../../src/platform/clock.ts";

const never = new AbortController().signal;
const HOUR = 3_600_000;

describe("held requests", () => {
  const wait = (held: HeldRequests, what: string, more: Partial<Wait> = {}): Promise<WaitEnd> =>
    held.wait({ what, from: "one", ms: HOUR, signal: never, ...more });

  it("go on when what they wait for arrives, and only they", async () => {
    const held = new HeldRequests(10);
    const one = wait(held, "a");
    const stop = new AbortController();
    const other = wait(held, "b", { signal: stop.signal });
    held.arrived("a");
    expect([await one, held.count]).toEqual(["arrived", 1]);
    stop.abort();
    expect([await other, held.count]).toEqual(["refused", 0]);
  });

  it("are bounded, end in time, and are let go at the end", async () => {
    const held = new HeldRequests(2);
    expect(await wait(held, "a", { ms: 1 })).toBe("late");
    const waiting = [wait(held, "a"), wait(held, "b")];
    expect(await wait(held, "c")).toBe("refused");
    held.close();
    expect(await Promise.all(waiting)).toEqual(["refused", "refused"]);
    expect(await wait(held, "a")).toBe("refused");
  });

  it("of one who takes all places make room for others, the oldest first", async () => {
    const held = new HeldRequests(4);
    const ends: string[] = [];
    const greedy = ["1", "2", "3", "4", "5"].map((what) =>
      wait(held, what, { from: "greedy" }).then((end) => ends.push(`${what} ${end}`)),
    );
    const [one, other] = [wait(held, "x", { from: "one" }), wait(held, "x", { from: "other" })];
    await Promise.all([greedy[0], greedy[1], greedy[4]]);
    expect(ends.toSorted()).toEqual(["1 refused", "2 refused", "5 refused"]);
    // Now everybody has a fair share: who comes again waits for nobody.
    expect(await wait(held, "6", { from: "greedy" })).toBe("refused");
    expect(held.count).toBe(4);
    held.arrived("x");
    expect(await Promise.all([one, other])).toEqual(["arrived", "arrived"]);
    held.close();
    await Promise.all(greedy);
    expect(held.count).toBe(0);
  });
});

describe("a single flight", () => {
  it("works once for all, and again for those whose forerunner failed", async () => {
    const flight = new SingleFlight<string>();
    let runs = 0;
    const work = async (): Promise<string> => {
      runs += 1;
      const mine = runs;
      await Promise.resolve();
      if (mine === 1) throw new Error("refused");
      return `run ${mine}`;
    };
    const all = await Promise.allSettled([1, 2, 3].map(() => flight.run("x", work, never)));
    expect(all.map((each) => (each.status === "fulfilled" ? each.value : "failed"))).toEqual([
      "failed",
      "run 2",
      "run 2",
    ]);
    expect(runs).toBe(2);
  });

  it("lets one leave without harm to the others", async () => {
    const flight = new SingleFlight<number>();
    let end: (value: number) => void = () => undefined;
    const first = flight.run("x", () => new Promise((resolve) => (end = resolve)), never);
    const stop = new AbortController();
    const second = flight.run("x", () => Promise.resolve(2), stop.signal);
    stop.abort(new Error("left"));
    await expect(second).rejects.toThrow("left");
    end(1);
    expect(await first).toBe(1);
  });
});

describe("a limit", () => {
  it("lets so many work at a time, and goes on after a failure", async () => {
    const limit = new Limit(2);
    let [now, most] = [0, 0];
    const work = async (index: number): Promise<void> => {
      now += 1;
      most = Math.max(most, now);
      await Promise.resolve();
      now -= 1;
      if (index % 2 === 0) throw new Error("failed");
    };
    await Promise.allSettled(Array.from({ length: 9 }, (_, index) => limit.run(() => work(index), never)));
    expect([most, now, limit.isBusy]).toEqual([2, 0, false]);
  });
});

describe("limits", () => {
  it("hold up nobody of another key", async () => {
    const limits = new Limits(2);
    let end: () => void = () => undefined;
    const dead = new Promise<void>((resolve) => (end = resolve));
    const stuck = Array.from({ length: 5 }, () => limits.run("dead", () => dead, never));
    expect(await limits.run("alive", () => Promise.resolve("done"), never)).toBe("done");
    expect(limits.isBusy).toBe(true);
    end();
    await Promise.all(stuck);
    expect(limits.isBusy).toBe(false);
  });
});

describe("room", () => {
  it("is promised once, however many ask at the same time", async () => {
    const room = new Room({ maxBytes: 100, usedBytes: () => 20, makeRoom: () => Promise.resolve(0) });
    const asked = await Promise.allSettled([room.take(50), room.take(50)]);
    expect(asked.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    const [taken] = asked;
    if (taken?.status === "fulfilled") taken.value.release();
    await expect(room.take(80)).resolves.toBeDefined();
    await expect(room.take(1)).rejects.toThrow("the cache has no room for 1 bytes more: it holds 20 of at most 100");
  });

  it("is made when something can be freed", async () => {
    let used = 90;
    const makeRoom = (bytes: number): Promise<number> => {
      used -= bytes;
      return Promise.resolve(0);
    };
    const room = new Room({ maxBytes: 100, usedBytes: () => used, makeRoom });
    expect(room.hasSpare(30)).toBe(false);
    await room.take(30);
    expect(used).toBe(70);
  });
});

describe("the book of a node", () => {
  it("takes for no change what only names another request or time", () => {
    let changes = 0;
    const book = new ReportBook(
      () => 0,
      () => (changes += 1),
    );
    const [entry] = entriesOfText("x/y:v1");
    if (entry === undefined) throw new Error("no entry");
    const failed = (error: string): void => book.set(entry, { state: "failed", error });
    failed("denied (request 5e2b8a10-9c1d-4f5e-8a77-0123456789ab at 12:31:07)");
    failed("denied (request 0a9c8b7d-1111-4f5e-8a77-ba9876543210 at 12:32:09)");
    expect(changes).toBe(1);
    failed("not found (request 0a9c8b7d-1111-4f5e-8a77-ba9876543210 at 12:32:09)");
    expect(changes).toBe(2);
  });
});

describe("a lack of room", () => {
  it("passes when what lingers will be enough, and is refused when it will not", async () => {
    for (const [later, sort] of [
      [80, "passing"],
      [79, "refused"],
    ] as const) {
      const room = new Room({ maxBytes: 100, usedBytes: () => 90, makeRoom: () => Promise.resolve(later) });
      const error: unknown = await room.take(90).catch((reason: unknown) => reason);
      expect(judgeFailure(error, 3).sort).toBe(sort);
    }
  });
});

describe("a sleeper", () => {
  it("is woken while it sleeps and before", async () => {
    const wake = new Wake();
    const asleep = wake.rest(systemClock, undefined, never);
    wake.now();
    await asleep;
    wake.now();
    await wake.rest(systemClock, HOUR, never);
    const stop = new AbortController();
    const again = wake.rest(systemClock, HOUR, stop.signal);
    stop.abort(new Error("the end"));
    await expect(again).rejects.toThrow("the end");
  });
});
