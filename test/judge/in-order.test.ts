import { expect, it } from "vitest";
import { InOrder } from "./in-order.ts";

it("does things in the order they were asked for, in whatever order their timers ring", () => {
  const timers: (() => void)[] = [];
  const clock = { now: () => 0, after: (_ms: number, act: () => void) => (timers.push(act), () => undefined) };
  const delays = [50, 10, 0];
  const line = new InOrder(clock, () => delays.shift() ?? 0);
  const done: string[] = [];
  for (const name of ["set", "set again", "drop"]) line.add(() => void done.push(name));
  expect(line.length).toBe(3);
  for (const ring of timers.toReversed()) ring();
  expect(done).toEqual(["set", "set again", "drop"]);
  expect(line.length).toBe(0);
});
