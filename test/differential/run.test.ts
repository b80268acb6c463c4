import { describe, expect, it } from "vitest";
import { component } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { differences } from "./compare.ts";
import { driveHost } from "./host/drive-host.ts";
import { driveRun } from "./host/drive-run.ts";
import { proxyDifferences } from "./proxy-differences.ts";
import type { Scenario } from "./scenario.ts";
import { subjects } from "./scenarios/all.ts";

const built = await component("filters", () => fixture("c-script"));
const missing = "skip" in built ? built.skip : "";

/** What the proxy can show: HTTP without callouts, whose sizes of pieces do not depend on what a read brings. */
function suits({ name, upstream, filters }: Scenario): boolean {
  if (upstream === "direct" || name.includes("buffer-limit") || TIMED.has(name)) return false;
  return filters.every(({ script }) => !/http callout|grpc_call|grpc_stream|set_tick/.test(script));
}

/** What comes of two things at the same moment. */
const TIMED: ReadonlySet<string> = new Set(["early-answer", "local-from-trailers"]);

/** Side by side, a little apart: most of the time is waiting. */
function inTurn(scenarios: readonly Scenario[]): Promise<(readonly [string, boolean])[]> {
  return Promise.all(
    scenarios.map(async (scenario, index) => {
      await new Promise((resolve) => setTimeout(resolve, index * 20));
      const host = await driveHost(scenario);
      for (let tries = 0; tries < 3; tries += 1) {
        if (differences(host, await driveRun(scenario)).length === 0) return [scenario.name, true] as const;
      }
      return [scenario.name, false] as const;
    }),
  );
}

/** The proxy of `wasme run` over real sockets does what the host does in virtual time, which is what Envoy does. */
describe.skipIf(missing !== "")(`the proxy of wasme run${missing && `: ${missing}`}`, () => {
  it.each(["headers", "bodies", "replies"])("is on the wire what the host is: %s", async (subject) => {
    const scenarios = (subjects[subject] ?? []).filter(suits);
    expect(scenarios.length).toBeGreaterThan(20);
    const different = (await inTurn(scenarios)).flatMap(([name, same]) => (same ? [] : [name]));
    const names = scenarios.map(({ name }) => name);
    const listed = proxyDifferences.flatMap(({ seen }) => seen).filter((name) => names.includes(name));
    expect(different.toSorted()).toEqual(listed.toSorted());
  });
});
