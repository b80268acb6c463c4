import { expect, test } from "vitest";
import { leftOut, tallyAll } from "./in-envoy/left-out.ts";

test("what is not tested of the templates in Envoy is little, and each has its reason", async () => {
  const { tallies, mistakes } = await tallyAll();
  expect(mistakes).toEqual([]);

  const lines = leftOut.map(({ template, test: name, part, without, why }) => {
    const what = without === "case" ? "left out" : `without ${part}`;
    return `  ${template}: ${name}: ${what}: ${why}`;
  });
  const counts = tallies.map(({ template, cases, run }) => `  ${template}: ${run} of ${cases}`);
  process.stdout.write(`cases in the real Envoy:\n${counts.join("\n")}\nnot there:\n${lines.join("\n")}\n`);

  const cases = tallies.reduce((sum, tally) => sum + tally.cases, 0);
  const run = tallies.reduce((sum, tally) => sum + tally.run, 0);
  expect(tallies.length).toBeGreaterThanOrEqual(10);
  expect(cases).toBeGreaterThan(200);
  expect(run / cases).toBeGreaterThan(0.9);
  for (const tally of tallies) expect(tally.run / tally.cases, tally.template).toBeGreaterThan(0.7);
});
