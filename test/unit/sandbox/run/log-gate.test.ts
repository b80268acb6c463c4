import { expect, test } from "vitest";
import { LogGate } from "../../../../src/sandbox/run/log-gate.ts";

const SECOND = 1_000_000_000n;

test("lets 2000 lines of a second through and says once how many it did not", () => {
  let now = 5n;
  const gate = new LogGate(() => now);
  for (let line = 0; line < 2000; line += 1) expect(gate.take("a")).toBe("a");
  expect(gate.take("one too many")).toBeUndefined();
  expect(gate.take("another")).toBeUndefined();
  expect(gate.leftOut()).toBe(0);
  now += SECOND;
  expect(gate.leftOut()).toBe(2);
  expect(gate.leftOut()).toBe(0);
  expect(gate.take("b")).toBe("b");
});

test("cuts very long lines, and counts what is shown of them", () => {
  let now = 0n;
  const gate = new LogGate(() => now);
  const long = "x".repeat(1_000_000);
  expect(gate.take(long)).toBe(`${long.slice(0, 65_536)}… (1000000 characters)`);
  let told = 1;
  while (gate.take(long) !== undefined) told += 1;
  expect(told).toBe(64);
  now += SECOND;
  expect(gate.take("x")).toBe("x");
});
