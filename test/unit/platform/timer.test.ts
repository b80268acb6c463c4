import { expect, it, vi } from "vitest";
import { LONGEST_MS, startTimer } from "../../../src/platform/timer.ts";

it("rings once when its time is over, be that longer than Node's timers take", () => {
  vi.useFakeTimers();
  try {
    const ring = vi.fn<() => void>();
    startTimer(2 * LONGEST_MS + 5, ring);
    vi.advanceTimersByTime(2 * LONGEST_MS + 4);
    expect(ring).not.toHaveBeenCalled();
    vi.advanceTimersByTime(LONGEST_MS);
    expect(ring).toHaveBeenCalledOnce();
  } finally {
    vi.useRealTimers();
  }
});

it("is stopped in whatever piece of its time it is", () => {
  vi.useFakeTimers();
  try {
    for (const after of [0, 10, LONGEST_MS + 10]) {
      const ring = vi.fn<() => void>();
      const timer = startTimer(LONGEST_MS + 20, ring);
      vi.advanceTimersByTime(after);
      timer.stop();
      expect(vi.getTimerCount()).toBe(0);
      expect(ring).not.toHaveBeenCalled();
    }
  } finally {
    vi.useRealTimers();
  }
});
