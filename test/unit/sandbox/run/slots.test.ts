import { describe, expect, it } from "vitest";
import { Slots } from "../../../../src/sandbox/run/slots.ts";

describe("slots", () => {
  it("gives a place again once it is free", () => {
    const slots = new Slots<string>();
    expect([slots.take("a"), slots.take("b")]).toEqual([0, 1]);
    slots.free(0);
    slots.free(0);
    expect([slots.size, slots.get(0), slots.take("c"), slots.take("d")]).toEqual([1, undefined, 0, 2]);
    expect(slots.all()).toEqual(["c", "b", "d"]);
  });

  it("keeps no list of places that somebody else gives", () => {
    const slots = new Slots<string>();
    slots.put(1, "a");
    expect([slots.clear(1), slots.clear(1), slots.size]).toEqual([true, false, 0]);
    slots.put(1, "b");
    expect(slots.entries()).toEqual([[1, "b"]]);
    expect(slots.take("c")).toBe(2);
  });
});
