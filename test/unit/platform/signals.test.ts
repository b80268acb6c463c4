import { afterEach, describe, expect, it } from "vitest";
import { watchSignals } from "../../../src/platform/signals.ts";

describe("signals of a running command", () => {
  const before = process.listeners("SIGINT");
  const added = (): NodeJS.SignalsListener[] => process.listeners("SIGINT").filter((one) => !before.includes(one));
  afterEach(() => {
    for (const listener of added()) process.off("SIGINT", listener).off("SIGTERM", listener);
  });

  it("are left alone again after a command that met none", () => {
    const watch = watchSignals(() => undefined);
    expect(added()).toHaveLength(1);
    watch.dispose();
    expect(added()).toEqual([]);
    expect(watch.received()).toBeUndefined();
  });

  it("are still answered while an interrupted process ends: its exit code must not be left to the moment", () => {
    const told: string[] = [];
    const watch = watchSignals((name) => told.push(name));
    added()[0]?.("SIGINT");
    expect([told, watch.received(), watch.signal.aborted]).toEqual([["SIGINT"], "SIGINT", true]);
    watch.dispose();
    expect(added()).toHaveLength(1);
  });
});
