import { expect, test } from "vitest";
import type { CheckFinding, FindingContext } from "../../../src/images/check-finding.ts";
import { failureFindings } from "../../../src/images/failure-findings.ts";
import type { SmokeLine, SmokeResult } from "../../../src/images/smoke-result.ts";

const WORDS = "Failed to configure base Wasm plugin";

function findings(lines: readonly string[], config?: string): readonly CheckFinding[] {
  const smoke: SmokeResult = {
    outcome: "refused",
    failure: { step: "configure", callback: "proxy_on_configure", message: WORDS },
    streams: [],
    reports: [],
    lines: lines.map((text): SmokeLine => ({ level: "error", text, panic: false })),
    sectionCalls: [],
    startCalls: [],
    calls: [],
    memoryPages: 1,
    durationMs: 1,
  };
  const context = { config, rootId: "", rootIds: [] } as unknown as FindingContext;
  return failureFindings(smoke, context);
}

function messages(lines: readonly string[], config?: string): readonly string[] {
  return findings(lines, config).map(({ message }) => message);
}

test("a filter that rejects its configuration is quoted: its last words, not the proxy's", () => {
  const logged = ["reading rules", "no rules configured\nat parse", WORDS];
  expect(messages(logged)).toEqual([
    `the module does not accept an empty plugin configuration: ${WORDS} (it logged: no rules configured)`,
  ]);
  expect(messages(logged, "{}")).toEqual([
    `the module does not accept the plugin configuration: ${WORDS} (it logged: no rules configured)`,
  ]);
});

test("one that logged nothing is not", () => {
  expect(messages([WORDS], "{}")).toEqual([`the module does not accept the plugin configuration: ${WORDS}`]);
});

test("the hint names the command: in wasme build, which finds this too, --config is something else", () => {
  expect(findings([]).map(({ hint }) => hint)).toEqual([
    "check it with the configuration it will get: wasme check IMAGE --config TEXT or --config @FILE",
  ]);
});
