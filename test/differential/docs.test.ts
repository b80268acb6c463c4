import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { knownDifferences } from "./known-differences.ts";
import { proxyDifferences } from "./proxy-differences.ts";
import { differencesTable, faultsTable, proxyTable, withSection } from "./render-docs.ts";
import { faults } from "./scenarios/faults.ts";

const PAGE = new URL("../../docs/reference/host-differences.md", import.meta.url);

it("docs/reference/host-differences.md lists what the tests know", () => {
  const page = readFileSync(PAGE, "utf8");
  const listed = withSection(page, "differences", differencesTable(knownDifferences));
  const made = withSection(listed, "faults", faultsTable(faults, knownDifferences));
  const whole = withSection(made, "proxy", proxyTable(proxyDifferences));
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(PAGE, whole);
  expect(readFileSync(PAGE, "utf8")).toBe(whole);
});

it("refuses a page without the sections", () => {
  expect(() => withSection("# A page", "faults", "")).toThrow('no section "faults"');
});
