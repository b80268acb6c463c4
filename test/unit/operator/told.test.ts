import { expect, it } from "vitest";
import { Told } from "../../../src/operator/told.ts";
import { memoryLog } from "../../support/memory-log.ts";

it("logs a warning once for as long as it holds, and what was changed each time", () => {
  const log = memoryLog();
  const told = new Told();
  const reconcile = (key: string, warnings: readonly string[], ends = true): void => {
    const telling = told.begin(key, log);
    for (const message of warnings) telling.events({ type: "warning", message });
    telling.events({ type: "milestone", message: "WasmPlugin shop/web changed" });
    telling.events({ type: "milestone", message: "1 of 2 nodes" });
    if (ends) telling.over();
  };
  const seen = (): readonly string[] =>
    log.entries.splice(0).flatMap((one) => (one.level === "warn" ? one.message : []));
  reconcile("shop/one", ["a", "b", "a"]);
  expect(log.entries.map(({ level, message }) => `${level} ${message}`)).toEqual([
    "warn a",
    "warn b",
    "info WasmPlugin shop/web changed",
    "debug 1 of 2 nodes",
  ]);
  seen();
  reconcile("shop/one", ["b", "a"]);
  expect(seen()).toEqual([]);
  reconcile("shop/two", ["a"]);
  expect(seen()).toEqual(["a"]);
  // One that waits or fails half-way says nothing about what it did not come to.
  reconcile("shop/one", [], false);
  reconcile("shop/one", ["a"]);
  expect(seen()).toEqual([]);
  reconcile("shop/one", ["b"]);
  expect(seen()).toEqual(["b"]);
  told.forget("shop/one");
  reconcile("shop/one", ["b"]);
  expect(seen()).toEqual(["b"]);
});
