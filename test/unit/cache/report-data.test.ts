import { describe, expect, it } from "vitest";
import { reportData } from "../../../src/cache/report-data.ts";
import { digestOf, digestParts } from "../../../src/domain/digest.ts";
import { type EntryReport, parseEntryReport } from "../../../src/mesh/node-report.ts";

function reportsOf(count: number, more: Partial<EntryReport> = {}): ReadonlyMap<string, EntryReport> {
  const module = digestOf("module");
  return new Map(
    Array.from({ length: count }, (_, index) => [
      `sha256-${digestParts(digestOf(String(index))).hex}`,
      {
        state: "ready",
        reference: `registry.example.com/some-team/filters/${index}:v1@${digestOf(String(index))}`,
        module,
        bytes: 123_456,
        time: new Date(1_700_000_000_000 + index * 1000).toISOString(),
        ...more,
      },
    ]),
  );
}

const sizeOf = (data: Readonly<Record<string, string>>): number =>
  Object.entries(data).reduce((sum, [key, text]) => sum + key.length + Buffer.byteLength(text), 0);

describe("the data of a report", () => {
  it("says all there is to say of a few images", () => {
    const reports = reportsOf(3, { error: "x" });
    const { data, left } = reportData(reports);
    expect(left).toBe(0);
    for (const [key, report] of reports) expect(parseEntryReport(data[key] ?? "")).toEqual(report);
  });

  it.each([2500, 4000, 7000])("has a place for the state of each of %i images", (count) => {
    const error = `cannot reach registry.example.com: ${"no answer ".repeat(20)}`;
    const reports = new Map([...reportsOf(count), ...reportsOf(10, { state: "failed", error })]);
    const { data, left } = reportData(reports);
    expect(left).toBe(0);
    expect(sizeOf(data)).toBeLessThan(1024 * 1024);
    for (const [key, { state }] of reports) expect(parseEntryReport(data[key] ?? "")?.state).toBe(state);
    expect(Object.values(data).filter((text) => text.includes("cannot reach"))).toHaveLength(10);
  });

  it("leaves out the oldest that are ready when even that is too much, and counts them", () => {
    const reports = new Map([...reportsOf(20_000), ...reportsOf(1, { state: "pulling" })]);
    const { data, left } = reportData(reports);
    const keys = [...reports.keys()];
    expect(sizeOf(data)).toBeLessThan(1024 * 1024);
    expect(Object.keys(data).length + left).toBe(20_000);
    expect([keys[0], keys[1], keys.at(-1)].map((key) => (key ?? "") in data)).toEqual([true, false, true]);
  });
});
