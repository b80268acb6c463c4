import { expect, it } from "vitest";
import { durationText, parseDuration } from "../../../src/domain/duration.ts";

it.each([
  ["0", 0],
  ["15s", 15_000],
  ["1m0s", 60_000],
  ["1m30s", 90_000],
  ["500ms", 500],
  ["1.5h", 5_400_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text, "--timeout")).toBe(ms);
});

it.each(["", "15", "s", "-5s", "5 s", "5d", "1e3s"])("refuses %j, naming the flag", (text) => {
  expect(() => parseDuration(text, "--timeout")).toThrow(/--timeout/u);
});

it.each([
  [0, "0 ms"],
  [1.54, "1.5 ms"],
  [340.4, "340 ms"],
  [999.4, "999 ms"],
  [999.6, "1.0 s"],
  [12_345, "12.3 s"],
  [59_949, "59.9 s"],
  [59_951, "1 min"],
  [125_000, "2 min 5 s"],
  [3_600_000, "60 min"],
])("%d ms are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});
