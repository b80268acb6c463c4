import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { Wake } from "../../../src/cache/wake.ts";
import { manualClock } from "../../support/manual-clock.ts";

describe("a sleeper that others wake", () => {
  it("rests as long as it is told, or until it is woken, also beforehand", async () => {
    const clock = manualClock();
    const wake = new Wake();
    const { signal } = new AbortController();
    const ends: string[] = [];
    const rest = (name: string, ms?: number): void => void wake.rest(clock, ms, signal).then(() => ends.push(name));
    rest("by time", 1000);
    await clock.advance(999);
    expect(ends).toEqual([]);
    await clock.advance(1);
    rest("woken", 1000);
    await clock.advance(1);
    wake.now();
    await clock.advance(0);
    wake.now();
    rest("at once");
    await clock.advance(0);
    rest("never");
    await clock.advance(1e9);
    expect(ends).toEqual(["by time", "woken", "at once"]);
  });

  it("throws the signal's reason, and leaves nothing on the signal", async () => {
    const clock = manualClock();
    const wake = new Wake();
    const end = new AbortController();
    const { signal } = end;
    for (const ms of [5, undefined]) {
      const resting = wake.rest(clock, ms, signal);
      wake.now();
      await resting;
    }
    expect(getEventListeners(signal, "abort")).toEqual([]);
    const forEver = wake.rest(clock, undefined, signal);
    end.abort(new Error("over"));
    await expect(forEver).rejects.toThrow("over");
    await expect(wake.rest(clock, 5, signal)).rejects.toThrow("over");
  });
});
