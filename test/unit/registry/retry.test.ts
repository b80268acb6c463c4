import { describe, expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import { parseRetryAfter, RetryBudget, TransientError, withRetry } from "../../../src/registry/retry.ts";
import { fakeClock } from "../../support/fault-clock.ts";

const failure = new WasmeError("unreachable", "REGISTRY_UNAVAILABLE", "r failed");

describe("parseRetryAfter", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  it.each([
    ["0", 0],
    [" 12 ", 12_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Thu, 01 Jan 2015 00:00:30 GMT", 0],
    ["soon", undefined],
    ["-5", undefined],
    ["1.5", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("reads %j", (header, ms) => {
    expect(parseRetryAfter(header, now)).toBe(ms);
  });
});

describe("withRetry", () => {
  it("doubles its waits from 250 ms, with little jitter, and ends after five tries", async () => {
    const clock = fakeClock();
    let tries = 0;
    const running = withRetry(new RetryBudget({ clock, budgetMs: 15_000 }), () => {
      tries += 1;
      throw new TransientError(failure);
    });
    await expect(running).rejects.toBe(failure);
    expect(tries).toBe(5);
    expect(clock.waits.map((wait) => Math.round(Math.log2(wait / 250)) + 0)).toEqual([0, 1, 2, 3]);
  });

  it("keeps all waits within the budget, time lost on silent servers included", async () => {
    const clock = fakeClock();
    const budget = new RetryBudget({ clock, budgetMs: 1000 });
    const running = withRetry(budget, () => {
      throw new TransientError(failure, { lostMs: 400 });
    });
    await expect(running).rejects.toBe(failure);
    expect(clock.waits).toHaveLength(1);
    expect(budget.leftMs).toBeLessThan(400);
  });

  it("waits what it is asked to, and no longer than the budget", async () => {
    const clock = fakeClock();
    const asked = [3000, 9000, 4000];
    const running = withRetry(new RetryBudget({ clock, budgetMs: 15_000 }), () => {
      throw new TransientError(failure, { retryAfterMs: asked.shift() });
    });
    await expect(running).rejects.toMatchObject({
      code: "REGISTRY_BUSY",
      details: { retryAfterSeconds: 4 },
      cause: failure,
    });
    expect(clock.waits).toEqual([3000, 9000]);
  });

  it("does not hurry because it is asked to come back at once", async () => {
    const clock = fakeClock();
    const running = withRetry(new RetryBudget({ clock, budgetMs: 15_000 }), () => {
      throw new TransientError(failure, { retryAfterMs: 0 });
    });
    await expect(running).rejects.toBe(failure);
    expect(Math.min(...clock.waits)).toBeGreaterThan(200);
  });

  it("counts tries anew after progress", async () => {
    const clock = fakeClock();
    const budget = new RetryBudget({ clock, budgetMs: 60_000 });
    let tries = 0;
    const result = withRetry(budget, async () => {
      tries += 1;
      if (tries === 4) budget.progress();
      if (tries < 8) throw new TransientError(failure);
      return Promise.resolve("done");
    });
    expect(await result).toBe("done");
  });

  it("passes other errors on at once, and an abort while it waits", async () => {
    const clock = fakeClock();
    const bug = new TypeError("bug");
    const budget = new RetryBudget({ clock, budgetMs: 15_000 });
    await expect(withRetry(budget, () => Promise.reject(bug))).rejects.toBe(bug);
    const signal = AbortSignal.abort(new Error("Ctrl-C"));
    const stopped = withRetry(new RetryBudget({ clock, budgetMs: 15_000, signal }), () => {
      throw new TransientError(failure);
    });
    await expect(stopped).rejects.toThrow("Ctrl-C");
    expect(clock.waits).toEqual([]);
  });
});
