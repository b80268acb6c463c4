import { expect, it } from "vitest";
import { parseDuration } from "../../../src/domain/duration.ts";

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
