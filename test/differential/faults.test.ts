import { describe, expect, it } from "vitest";
import type { HostReport } from "../../src/host/host-report.ts";
import { envoyPath } from "../components/envoy.ts";
import { component } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { driveEnvoy, EnvoyDied } from "./envoy/drive-envoy.ts";
import { driveHost } from "./host/drive-host.ts";
import { type Fault, faults } from "./scenarios/faults.ts";

const needed = [await component("envoy", envoyPath), await component("filters", () => fixture("c-script"))];
const missing = needed.flatMap((part) => ("skip" in part ? [part.skip] : [])).join("; ");

/** What Envoy makes of it; `nothing` would mean that the fault is gone and the docs are wrong. */
async function outcomeIn(fault: Fault): Promise<Fault["envoy"] | "nothing"> {
  try {
    const seen = (await driveEnvoy([fault.scenario])).get(fault.scenario.name);
    if ((seen?.log.filter((line) => / rqb #/.test(line)).length ?? 0) > 100) return "circles";
    if (seen?.upstream.includes("request 2: GET /") === true) return "repeats";
    return seen?.client.includes("answer 1 body: HTTP/1.1") === true ? "garbles" : "nothing";
  } catch (error) {
    if (error instanceof EnvoyDied) return "dies";
    throw error;
  }
}

describe.skipIf(missing !== "")(`faults of Envoy${missing && `: ${missing}`}`, () => {
  it.each(faults.map((fault) => [fault.scenario.name, fault] as const))("%s", async (_name, fault) => {
    expect(await outcomeIn(fault)).toBe(fault.envoy);
    const reports: HostReport[] = [];
    const { client, upstream, log } = await driveHost(fault.scenario, reports);
    expect(reports.map(({ code }) => code)).toEqual(fault.report === undefined ? [] : [fault.report]);
    const reset = fault.here === "The stream is reset.";
    expect(client.at(-1)).toBe(reset ? "answer 1 end: reset" : "answer 1 end: complete");
    expect(upstream.filter((line) => line.startsWith("request 2"))).toEqual([]);
    const count = (pattern: RegExp): number => log.filter((line) => pattern.test(line)).length;
    expect(count(/\] del #\d/)).toBe(count(/\] new #\d+ [1-9]/));
  });
});
