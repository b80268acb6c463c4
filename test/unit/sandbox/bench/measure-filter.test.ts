import { beforeAll, describe, expect, it } from "vitest";
import { loadModule } from "../../../../src/host/load-module.ts";
import { pluginConfig } from "../../../../src/host/plugin-config.ts";
import { emptyFilter } from "../../../../src/sandbox/bench/empty-filter.ts";
import { checkBudget, measureCase } from "../../../../src/sandbox/bench/measure-case.ts";
import { measureCold } from "../../../../src/sandbox/bench/measure-cold.ts";
import { measureFilter, type MeasureResult } from "../../../../src/sandbox/bench/measure-filter.ts";
import { defaultShape, type StreamShape } from "../../../../src/sandbox/bench/stream-shape.ts";
import { fixture } from "../../../components/wasm-fixtures.ts";

const now = (): number => performance.now();
const bytes = new TextEncoder();
let script: Uint8Array;
beforeAll(async () => {
  script = await fixture("c-script");
});

/** Measures the scripted filter (`test/fixtures/filters/c-script`) with a few streams. */
function measure(configuration: string, shape?: Partial<StreamShape>, streams = 40): MeasureResult {
  const config = pluginConfig({ configuration });
  return measureFilter({ module: loadModule(script), config, streams, now, shape: { ...defaultShape(), ...shape } });
}

const POST: Partial<StreamShape> = {
  requestBody: [bytes.encode("he"), bytes.encode("llo")],
  requestTrailers: ["x-sum", "1"],
  responseTrailers: ["x-end", "2"],
};

describe("an empty filter", () => {
  it("loads, makes no call, and keeps its memory", () => {
    const result = measureFilter({ module: loadModule(emptyFilter()), config: pluginConfig(), streams: 40, now });
    expect(result.hostCalls).toEqual({ perStream: 0, byName: [] });
    expect(result.memory).toMatchObject({ pagesAtStart: 1, pagesAtEnd: 1, flat: true, bytesPerStream: 0 });
    expect(result.outcome).toEqual({ heldIn: undefined, ownResponse: undefined, reset: false });
    expect(result.steps.map(({ step }) => step)).toEqual([
      "create",
      "request headers",
      "response headers",
      "response body",
      "log",
      "delete",
    ]);
  });
});

describe("what a filter does in a stream", () => {
  it("is called in every step the shape has, and no others are told", () => {
    const calls = "rqh: ret 0\nrqb: buf 0 0 99\nrqt: get 1 x-sum\nrsh: ret 0\nrsb: ret 0\nrst: get 3 x-end";
    const result = measure(calls, POST);
    expect(result.steps.map(({ step }) => step)).toEqual([
      "create",
      "request headers",
      "request body",
      "request trailers",
      "response headers",
      "response body",
      "response trailers",
      "log",
      "delete",
    ]);
  });

  it("counts host calls, and those that were not answered Ok", () => {
    const { hostCalls } = measure("rqh: get 0 :path; get 0 nope; get 0 :method\nrsh: get 0 :path");
    const get = hostCalls.byName.find(({ name }) => name === "proxy_get_header_map_value");
    expect(get).toEqual({ name: "proxy_get_header_map_value", perStream: 4, failed: 2 });
  });

  it("ends in its own response, which it sees too", () => {
    const { outcome, hostCalls } = measure("rqh: local 403 details body {x-a: 1} -1\nrsh: get 2 :status");
    expect(outcome.ownResponse).toBe(403);
    expect(hostCalls.byName).toContainEqual({ name: "proxy_get_header_map_value", perStream: 1, failed: 0 });
  });

  it("may hold a stream for ever: what follows is not called", () => {
    const { outcome, hostCalls } = measure("rqh: ret 1\nrqb: get 0 a\nrsh: get 2 :status", POST);
    expect(outcome.heldIn).toBe("request headers");
    expect(hostCalls.byName.map(({ name }) => name)).not.toContain("proxy_get_header_map_value");
  });

  it("may hold a body and let it go", () => {
    const { outcome } = measure("rqb: ret 1\nrqb@e: buf 0 0 99; ret 0", { requestBody: POST.requestBody ?? [] });
    expect(outcome.heldIn).toBeUndefined();
  });

  it("may grow its memory with every stream", () => {
    const { memory } = measure("rqh: grow 1");
    expect(memory).toMatchObject({ flat: false, bytesPerStream: 65_536 });
    // The fixture has room for 256 contexts.
    expect(memory.bytesPerOpenStream).toBeUndefined();
    expect(memory.pagesAtEnd - memory.pagesAtStart).toBe(40);
  });
});

describe("a filter that cannot be measured", () => {
  it.each([
    ["cfg: ret 0", "the filter did not start"],
    ["rqh: trap", "the filter trapped while it was measured"],
  ])("%s", (configuration, told) => {
    expect(() => measure(configuration)).toThrow(told);
  });
});

it("measures two filters side by side", () => {
  const one = { module: loadModule(script), config: pluginConfig({ configuration: "rqh: get 0 :path" }) };
  const result = measureFilter({ ...one, against: { ...one, config: pluginConfig() }, streams: 40, now });
  expect(result.against?.ratio.median).toBeGreaterThan(0);
  expect(result.against?.interval[0]).toBeLessThanOrEqual(result.against?.interval[1] ?? 0);
});

it("keeps other streams under way meanwhile, and lets them go on", () => {
  // The fixture has room for 256 contexts: those of a batch and the others.
  const config = pluginConfig({ configuration: "" });
  const filter = { module: loadModule(script), config };
  const crowd = { streams: 4, advance: 50 };
  expect(measureFilter({ ...filter, streams: 400, crowd, now }).perStream.median).toBeGreaterThan(0);
  expect(() => measureFilter({ ...filter, streams: 400, crowd: { streams: 300, advance: 1 }, now })).toThrow("trapped");
});

it("starts a filter from nothing, again and again", () => {
  const cold = measureCold({ bytes: script, config: pluginConfig(), shape: defaultShape(), now });
  for (const { median } of Object.values(cold) as { median: number }[]) expect(median).toBeGreaterThan(0);
});

describe("budgets", () => {
  const result = {
    timesEmpty: { median: 3.25 },
    hostCalls: { perStream: 4 },
    memory: { bytesPerStream: 16 },
    perStream: { median: 2.5 },
  } as MeasureResult;

  it("name what is above them", () => {
    const budget = { timesEmpty: 3, hostCalls: 4, memoryPerStream: 0, microseconds: 1 };
    const { failures, measured } = checkBudget(result, budget, { path: "b", strictBudgets: false });
    expect(failures.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      "b.timesEmpty: the time of a stream, in times that of an empty filter, is 3.25, the budget is 3",
      "b.memoryPerStream: the memory that stays behind, in bytes a stream, is 16, the budget is 0",
    ]);
    expect(measured).toEqual({ timesEmpty: 3.25, hostCalls: 4, memoryPerStream: 16, microseconds: 2.5 });
  });

  it("hold microseconds only when they are strict", () => {
    const { failures } = checkBudget(result, { microseconds: 1 }, { path: "b", strictBudgets: true });
    expect(failures.map(({ path }) => path)).toEqual(["b.microseconds"]);
  });

  it("of a test are measured with its request and answer", () => {
    const { failures, measured } = measureCase({
      module: loadModule(script),
      config: pluginConfig({ configuration: "rqh: get 0 x-a\nrqb: buf 0 0 9\nrsh: get 2 x-b" }),
      test: {
        name: "a",
        request: { body: "hello", headers: { "x-a": "1" } },
        upstream: { status: 503, headers: { "x-b": "2" } },
        bench: { streams: 20, budget: { hostCalls: 1 } },
      },
      readBytes: () => "",
      path: "tests[0]",
      strictBudgets: false,
    });
    expect(failures.map(({ path }) => path)).toEqual(["tests[0].bench.budget.hostCalls"]);
    expect(measured["hostCalls"]).toBeGreaterThanOrEqual(3);
  });
});
