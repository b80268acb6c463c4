import { expect, it } from "vitest";
import { Later } from "../../../src/operator/later.ts";
import { manualClock } from "../../support/manual-clock.ts";

it("gives an answer that is there soon", async () => {
  const later = new Later(manualClock(), 300);
  expect(await later.get("a", "1", () => Promise.resolve("yes"))).toBe("yes");
  await expect(later.get("a", "1", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
});

it("lets who asked go, tells of the answer, and gives it once", async () => {
  const clock = manualClock();
  const later = new Later(clock, 300);
  const told: string[] = [];
  later.onAnswer = (key) => told.push(key);
  let answer: (text: string) => void = () => undefined;
  const slow = (): Promise<string> => new Promise((resolve) => (answer = resolve));
  const first = later.get("a", "1", slow);
  await clock.advance(300);
  expect(await first).toBeUndefined();
  // Whoever asks again does not wait at all.
  expect(await later.get("a", "1", () => Promise.reject(new Error("asked twice")))).toBeUndefined();
  expect(told).toEqual([]);
  answer("yes");
  await clock.advance(0);
  expect(told).toEqual(["a"]);
  expect(await later.get("a", "1", () => Promise.reject(new Error("asked twice")))).toBe("yes");
  expect(await later.get("a", "1", () => Promise.resolve("asked anew"))).toBe("asked anew");
});

it("begins anew for another question, and drops the old answer", async () => {
  const clock = manualClock();
  const later = new Later(clock, 300);
  const told: string[] = [];
  later.onAnswer = (key) => told.push(key);
  let answer: (text: string) => void = () => undefined;
  const first = later.get<string>("a", "1", () => new Promise((resolve) => (answer = resolve)));
  await clock.advance(300);
  expect(await first).toBeUndefined();
  expect(await later.get("a", "2", () => Promise.resolve("second"))).toBe("second");
  answer("first");
  await clock.advance(0);
  expect(told).toEqual([]);
});

it("tells of a failure as of an answer", async () => {
  const clock = manualClock();
  const later = new Later(clock, 300);
  const told: string[] = [];
  later.onAnswer = (key) => told.push(key);
  let fail: (error: Error) => void = () => undefined;
  const first = later.get<string>("a", "1", () => new Promise((_resolve, reject) => (fail = reject)));
  await clock.advance(300);
  expect(await first).toBeUndefined();
  fail(new Error("away"));
  await clock.advance(0);
  expect(told).toEqual(["a"]);
  await expect(later.get("a", "1", () => Promise.resolve("asked anew"))).rejects.toThrow("away");
});

it("asks anew when nobody came for the answer in minutes", async () => {
  const clock = manualClock();
  const later = new Later(clock, 300);
  let answer: (text: string) => void = () => undefined;
  const first = later.get<string>("a", "1", () => new Promise((resolve) => (answer = resolve)));
  await clock.advance(300);
  expect(await first).toBeUndefined();
  answer("old");
  await clock.advance(301_000);
  expect(await later.get("a", "1", () => Promise.resolve("new"))).toBe("new");
});
