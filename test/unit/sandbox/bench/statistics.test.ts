import { expect, it } from "vitest";
import {
  medianInterval,
  pairedDifferences,
  pairedRatios,
  quantile,
  spreadOf,
} from "../../../../src/sandbox/bench/statistics.ts";

it("tells median and tenths, between two values in proportion", () => {
  expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 1.4, high: 4.6 });
  expect(spreadOf([4, 1, 2, 3]).median).toBe(2.5);
  expect(spreadOf([])).toEqual({ median: 0, low: 0, high: 0 });
  expect(quantile([7], 0.9)).toBe(7);
});

it("pairs round by round, and leaves out rounds that measured nothing", () => {
  expect(pairedDifferences([3, 5], [1, 10])).toEqual([2, -5]);
  expect(pairedRatios([3, 5, 6], [1, 0, 4])).toEqual([3, 1.5]);
});

it.each([
  [5, [1, 5]],
  [6, [1, 6]],
  [9, [2, 8]],
  [20, [6, 15]],
  [21, [6, 16]],
] as const)("tells by the sign test where the median of %d values lies", (count, interval) => {
  const values = Array.from({ length: count }, (_, index) => index + 1).toReversed();
  expect(medianInterval(values)).toEqual(interval);
});
