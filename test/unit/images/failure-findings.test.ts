import { expect, test } from "vitest";
import type { CheckFinding, FindingContext } from "../../../src/images/check-finding.ts";
import { failureFindings } from "../../../src/images/failure-findings.ts";
import type { SmokeLine, SmokeResult } from "../../../src/images/smoke-result.ts";

const WORDS = "Failed to configure base Wasm plugin";

type Failure = NonNullable<SmokeResult["failure"]>;

const CONFIGURE: Failure = { step: "configure", callback: "proxy_on_configure", message: WORDS };

function findings(lines: readonly string[], config?: string, failure: Failure = CONFIGURE): readonly CheckFinding[] {
  const smoke: SmokeResult = {
    outcome: "refused",
    failure,
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

test("the hint names the command: in wasme build, which finds this too, the option is another or none", () => {
  expect(findings([]).map(({ hint }) => hint)).toEqual([
    "check it with the configuration it will get: wasme check IMAGE --config TEXT or --config @FILE",
  ]);
  const failure: Failure = { step: "root-context", message: WORDS };
  expect(findings([], undefined, failure).map(({ hint }) => hint)).toEqual([
    "it may not know the root id: name one it registers: wasme check IMAGE --root-id ID",
  ]);
});
