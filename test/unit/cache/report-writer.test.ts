import { describe, expect, it, onTestFinished } from "vitest";
import { ReportWriter, type ReportWriterDeps } from "../../../src/cache/node-report-writer.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { manualClock } from "../../support/manual-clock.ts";

/** A writer over a server that does what the test says. */
function bench(apply: ReportWriterDeps["port"]["apply"]) {
  const clock = manualClock();
  const stop = new AbortController();
  const writes: number[] = [];
  const began = clock.elapsed();
  const writer = new ReportWriter({
    port: {
      apply: (kind, object, options) => {
        writes.push(clock.elapsed() - began);
        return apply(kind, object, options);
      },
      patch: () => Promise.reject(new Error("nobody asked for this")),
    },
    clock,
    log: silentLog,
    cache: { namespace: "wasme", name: "wasme-cache" },
    identity: { node: "node-1" },
    reports: () => new Map(),
  });
  const run = writer.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await run;
  });
  return { clock, writer, writes };
}

describe("the report of a node", () => {
  it("is not written more often than it is worth: changes are gathered, and rest means rest", async () => {
    const { clock, writer, writes } = bench((_kind, object) => Promise.resolve(object));
    for (let passed = 0; passed < 10_000; passed += 100) {
      writer.changed();
      await clock.advance(100);
    }
    expect(writes.length).toBeGreaterThan(5);
    expect(writes.length).toBeLessThan(30);
    const before = writes.length;
    await clock.advance(600_000);
    expect(writes.length - before).toBeGreaterThan(2);
    expect(writes.length - before).toBeLessThan(12);
  });

  it("is left alone for longer and longer while the server is overloaded, whatever changes", async () => {
    const busy = new WasmeError("unreachable", "KUBE_OVERLOADED", "busy");
    const { clock, writer, writes } = bench(() => Promise.reject(busy));
    for (let passed = 0; passed < 300_000; passed += 100) {
      writer.changed();
      await clock.advance(100);
    }
    expect(writes.length).toBeGreaterThan(8);
    expect(writes.length).toBeLessThan(35);
    const gaps = writes.slice(1).map((at, index) => at - (writes[index] ?? 0));
    expect(Math.max(...gaps.slice(0, 2))).toBeLessThan(5000);
    // Nodes do not come back in step.
    expect(new Set(gaps.slice(-5)).size).toBeGreaterThan(1);
  });
});
