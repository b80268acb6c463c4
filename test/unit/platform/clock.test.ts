import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/platform/clock.ts";

describe("the clock of the machine", () => {
  it("sleeps on when it is told to sleep longer than a timer can", async () => {
    const stop = new AbortController();
    let isOver = false;
    const slept = systemClock.sleep(9999 * 3_600_000, stop.signal).finally(() => (isOver = true));
    await systemClock.sleep(30);
    expect(isOver).toBe(false);
    stop.abort(new Error("woken"));
    await expect(slept).rejects.toThrow("woken");
  });

  it("sleeps not at all for no time, and gives the reason of who woke it before", async () => {
    await systemClock.sleep(0);
    await expect(systemClock.sleep(0, AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
  });
});
