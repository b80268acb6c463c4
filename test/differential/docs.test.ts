import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { knownDifferences } from "./known-differences.ts";
import { differencesTable, faultsTable, withSection } from "./render-docs.ts";
import { faults } from "./scenarios/faults.ts";

const PAGE = new URL("../../docs/reference/host-differences.md", import.meta.url);

it("docs/reference/host-differences.md lists what the tests know", () => {
  const page = readFileSync(PAGE, "utf8");
  const listed = withSection(page, "differences", differencesTable(knownDifferences));
  const made = withSection(listed, "faults", faultsTable(faults, knownDifferences));
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(PAGE, made);
  expect(readFileSync(PAGE, "utf8")).toBe(made);
});

it("refuses a page without the sections", () => {
  expect(() => withSection("# A page", "faults", "")).toThrow('no section "faults"');
});
