import { beforeAll, describe, expect, it } from "vitest";
import { envoyPath } from "../components/envoy.ts";
import { component } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { type Difference, differences } from "./compare.ts";
import { driveEnvoy } from "./envoy/drive-envoy.ts";
import { driveHost } from "./host/drive-host.ts";
import { knownDifferences, unexpected } from "./known-differences.ts";
import { filtersOf, type Observation, type Scenario } from "./scenario.ts";
import { subjects } from "./scenarios/all.ts";

const scenarios = Object.values(subjects).flat();
const modules = new Set(scenarios.flatMap((scenario) => filtersOf(scenario).map(({ module }) => module)));
const needed = [
  await component("envoy", envoyPath),
  await component("filters", () => Promise.all(Array.from(modules, (name) => fixture(name)))),
];
const missing = needed.flatMap((part) => ("skip" in part ? [part.skip] : [])).join("; ");

/**
 * What differs beyond the list. Envoy's half depends on time: a read may bring two pieces at once on a busy machine. So a
 * scenario that differs is asked again, by itself; what really differs does so every time.
 */
async function surprises(scenario: Scenario, first: Observation | undefined): Promise<unknown> {
  const host = await driveHost(scenario);
  let left = first === undefined ? undefined : unexpected(scenario.name, differences(first, host));
  for (let tries = 0; tries < 3 && !isNothing(left); tries += 1) {
    const again = (await driveEnvoy([scenario])).get(scenario.name);
    if (again !== undefined) left = unexpected(scenario.name, differences(again, host));
  }
  return left;
}

type Left = ReturnType<typeof unexpected> | undefined;
const isNothing = (left: Left): boolean => left !== undefined && left.new.length + left.gone.length === 0;

let compared = 0;
let subjectsRun = 0;

describe.skipIf(missing !== "")(`the embedded host and Envoy${missing && `: ${missing}`}`, () => {
  describe.each(Object.entries(subjects))("%s", (_subject, group) => {
    let envoy: ReadonlyMap<string, Observation>;
    beforeAll(async () => {
      envoy = await driveEnvoy(group);
      subjectsRun += 1;
      for (const observation of envoy.values()) compared += Object.values(observation).flat().length;
    });

    it.each(group.map((scenario) => [scenario.name, scenario] as const))("%s", async (name, scenario) => {
      expect(await surprises(scenario, envoy.get(name))).toEqual({ new: [], gone: [] });
    });
  });
});

describe.skipIf(missing !== "")("the comparison with Envoy", () => {
  it("was of many lines", (context) => {
    if (subjectsRun < Object.keys(subjects).length) context.skip("only some subjects were compared");
    expect(compared).toBeGreaterThan(12_000);
  });
});

describe.skipIf(missing !== "")("a host that behaves otherwise", () => {
  const plain: Scenario = {
    name: "proof",
    filters: [{ script: "rqh: get 0 :path; ret 1\nrqb: buf 0 0 9" }],
    requests: [{ method: "POST", body: ["abc"], patienceMs: 200 }],
  };
  /** Each is one thing done wrong. */
  const planted: Readonly<Record<string, Scenario>> = {
    "takes a stop on headers for one that lets bodies through": {
      ...plain,
      filters: plain.filters.map((filter) => ({ ...filter, allowOnHeadersStopIteration: true })),
    },
    "gives a map that is another": {
      ...plain,
      requests: [{ method: "POST", path: "/other", body: ["abc"], patienceMs: 200 }],
    },
    "does not know the root id": { ...plain, filters: plain.filters.map((filter) => ({ ...filter, rootId: "" })) },
  };

  it("is found out", async () => {
    const envoy = (await driveEnvoy([plain])).get("proof");
    if (envoy === undefined) throw new Error("nothing was seen");
    expect(differences(envoy, await driveHost(plain))).toEqual([]);
    for (const [fault, scenario] of Object.entries(planted)) {
      expect(unexpected("proof", differences(envoy, await driveHost(scenario))).new, fault).not.toEqual([]);
    }
  });
});

describe("the scenarios", () => {
  it("have names of their own, which the list of differences knows", () => {
    const names = scenarios.map(({ name }) => name);
    expect(names).toHaveLength(new Set(names).size);
    for (const { seen } of knownDifferences) for (const name of Object.keys(seen)) expect(names).toContain(name);
  });

  it("are many, and say what they are about", () => {
    expect(scenarios.length).toBeGreaterThan(290);
  });
});

describe("the comparison", () => {
  const observation: Observation = {
    client: ["answer 1: 200"],
    upstream: [],
    log: ["vm 1", "a", "b", "c"],
    metrics: [],
  };
  const found = (host: Partial<Observation>): Difference[] => differences(observation, { ...observation, ...host });

  it("finds nothing in equal observations", () => {
    expect(found({})).toEqual([]);
  });

  it("finds what is missing, new and changed", () => {
    expect(found({ log: ["vm 1", "a", "c"] })).toEqual([{ part: "log", envoy: "b", host: undefined }]);
    expect(found({ log: ["vm 1", "a", "x", "b", "c"] })).toEqual([{ part: "log", envoy: undefined, host: "x" }]);
    expect(found({ client: ["answer 1: 503"] })).toEqual([
      { part: "client", envoy: "answer 1: 200", host: "answer 1: 503" },
    ]);
    expect(found({ log: ["vm 1", "b", "a", "c"] })).not.toEqual([]);
  });

  it("leaves out only ports, ids and times", () => {
    const one: Observation = { ...observation, log: ['prop source.address -> 0 "127.0.0.1:1234"'] };
    expect(differences(one, { ...one, log: ['prop source.address -> 0 "127.0.0.1:99"'] })).toEqual([]);
    expect(differences(one, { ...one, log: ['prop source.address -> 0 "127.0.0.2:1234"'] })).toHaveLength(1);
  });

  it("misses a listed difference that is gone", () => {
    expect(unexpected("properties-node", []).gone).toHaveLength(2);
    expect(unexpected("request-map", []).gone).toEqual([]);
    expect(unexpected("request-map", [{ part: "log", envoy: "a", host: "b" }]).new).toHaveLength(1);
  });
});
