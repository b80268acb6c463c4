import { describe, expect, it } from "vitest";
import { createCorrelator, type EventCorrelator } from "../../../src/controller/event-correlator.ts";
import { clipText, eventName } from "../../../src/controller/event-text.ts";
import { microTime } from "../../../src/controller/micro-time.ts";
import { type ManualClock, manualClock } from "../../support/manual-clock.ts";

describe("the correlation of events", () => {
  const make = (): { readonly clock: ManualClock; readonly correlator: EventCorrelator } => {
    const clock = manualClock();
    return { clock, correlator: createCorrelator(clock) };
  };

  it("makes one series of equal events", () => {
    const { correlator } = make();
    const event = { about: "one", group: "g", note: "n" };
    const series = [1, 2, 3].map(() => correlator.observe(event));
    expect(series.every((one) => one.do === "send")).toBe(true);
    const [first, , third] = series;
    expect(first?.do === "send" && third?.do === "send" && first.series === third.series).toBe(true);
    expect(third?.do === "send" && third.series.count).toBe(3);
  });

  it("combines what is similar more than ten times in ten minutes, and no longer when it was quiet for so long", async () => {
    const { clock, correlator } = make();
    const observe = (note: string): string => {
      const decided = correlator.observe({ about: "one", group: "g", note });
      return decided.do === "count" ? "counted" : decided.combined ? "combined" : "own";
    };
    const notes = Array.from({ length: 15 }, (_, index) => observe(`note ${index}`));
    expect(notes).toEqual([...Array.from({ length: 10 }, () => "own"), ...Array.from({ length: 5 }, () => "combined")]);
    // Those that have a series of their own keep it.
    expect(observe("note 3")).toBe("own");
    await clock.advance(601_000);
    expect(observe("note 15")).toBe("own");
  });

  it("sends 25 at once for an object and one in 300 s then, whatever they say; others are not held back", async () => {
    const { clock, correlator } = make();
    const count = (about: string, tries: number): number =>
      Array.from({ length: tries }, (_, index) =>
        correlator.observe({ about, group: `g${index % 7}`, note: "n" }),
      ).filter((one) => one.do === "send").length;
    expect(count("one", 1000)).toBe(25);
    expect(count("two", 5)).toBe(5);
    await clock.advance(299_000);
    expect(count("one", 10)).toBe(0);
    await clock.advance(1000);
    expect(count("one", 10)).toBe(1);
  });

  it("knows what was counted and not told", () => {
    const { correlator } = make();
    const event = { about: "one", group: "g", note: "n" };
    for (let index = 0; index < 30; index += 1) {
      const decided = correlator.observe(event);
      if (decided.do !== "send") continue;
      decided.series.object = { name: "e", namespace: "n" };
      decided.series.told = decided.series.count;
    }
    expect(correlator.untold().map(({ count, told }) => [count, told])).toEqual([[30, 25]]);
  });

  it("forgets the oldest of very many", () => {
    const { correlator } = make();
    for (let index = 0; index < 20_000; index += 1) correlator.observe({ about: `o${index}`, group: "g", note: "n" });
    const again = correlator.observe({ about: "o0", group: "g", note: "n" });
    expect(again.do === "send" && again.series.count).toBe(1);
    const recent = correlator.observe({ about: "o19999", group: "g", note: "n" });
    expect(recent.do === "send" && recent.series.count).toBe(2);
  });
});

describe("texts of events", () => {
  it("cut to bytes, never within a character", () => {
    expect(clipText("short", 10)).toBe("short");
    for (const text of ["x".repeat(3000), "ä".repeat(3000), "🦀".repeat(3000), `${"x".repeat(1021)}🦀🦀`]) {
      const cut = clipText(text, 1024);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(1024);
      expect(Buffer.byteLength(cut)).toBeGreaterThan(1016);
      expect(cut).toMatch(/^[xä🦀]+…$/u);
    }
    expect(clipText("https://me:secret@host", 100)).toBe("https://***@host");
  });

  it("make names the API takes, however long the subject's", () => {
    expect(eventName("web", "0a")).toBe("web.0a");
    const long = eventName(`${"a".repeat(235)}-----${"b".repeat(20)}`, "0123456789abcdef");
    expect(long.length).toBeLessThanOrEqual(253);
    expect(long).toMatch(/^a+\.[0-9a-f]{16}$/u);
  });

  it("write times with six digits", () => {
    expect(microTime(Date.UTC(2026, 1, 3, 4, 5, 6, 7))).toBe("2026-02-03T04:05:06.007000Z");
  });
});
