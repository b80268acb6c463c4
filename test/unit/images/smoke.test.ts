import { readFile } from "node:fs/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import type { FindingContext } from "../../../src/images/check-finding.ts";
import { findingsOf } from "../../../src/images/check-findings.ts";
import { examineModule } from "../../../src/images/examine-module.ts";
import { smokeModule, spareForSmoke } from "../../../src/images/smoke-module.ts";
import { SmokeRecorder } from "../../../src/images/smoke-recorder.ts";
import type { SmokeRequest, SmokeResult } from "../../../src/images/smoke-result.ts";
import { runSmoke, type SmokeRun } from "../../../src/images/smoke-streams.ts";
import { checkModule } from "../../../src/wasm/check-module.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { filterFunctions, filterModule, buildModule, type FunctionSpec } from "../../support/wasm-builder.ts";

const TRAP = [0x00];
const LOOP = [0x03, 0x40, 0x0c, 0x00, 0x0b, 0x41, 0x00];
const CONTINUE = [0x41, 0x00];
const PAUSE = [0x41, 0x01];

const onRequest = (body: readonly number[]): FunctionSpec => ({
  export: "proxy_on_request_headers",
  params: "iii",
  result: "i",
  body,
});
const onConfigure = (body: readonly number[]): FunctionSpec => ({
  export: "proxy_on_configure",
  params: "ii",
  result: "i",
  body,
});
const withFunctions = (...functions: FunctionSpec[]): Uint8Array => filterModule({ functions });

const request = (module: Uint8Array, more: Partial<SmokeRequest> = {}): SmokeRequest => ({
  module,
  config: "",
  rootId: "",
  vmConfig: "",
  ...more,
});
function run(module: Uint8Array, more: Partial<SmokeRequest> = {}): SmokeRun {
  return runSmoke(request(module, more), { onCallback: () => undefined });
}
function codes(smoke: SmokeRun, more: Partial<FindingContext> = {}): string[] {
  const report = checkModule(filterModule());
  const context = { report, config: undefined, rootId: "", rootIds: [], ...more };
  return findingsOf(context, { durationMs: 1, ...smoke }).map(({ code, severity }) => `${severity} ${code}`);
}

describe("two streams through a filter", () => {
  it("go through one that does nothing, and reach the upstream once each", () => {
    const found = run(filterModule());
    expect(found).toMatchObject({ outcome: "ran", reports: [], lines: [], startCalls: [], calls: [], memoryPages: 1 });
    expect(found.streams).toEqual([
      { name: "GET without a body", status: 204, ended: true, pausedIn: [], upstreamRequests: 1 },
      { name: "POST with a body in pieces", status: 200, ended: true, pausedIn: [], upstreamRequests: 1 },
    ]);
    expect(codes(found)).toEqual([]);
  });

  it("show what a filter calls, and that the configuration is really handed over", async () => {
    const hello = new Uint8Array(await readFile(HELLO_WASM));
    const called = ["env.proxy_add_header_map_value"];
    expect(run(hello).calls).toEqual(called);
    expect(run(hello, { config: "hi" }).calls).toEqual(["env.proxy_get_buffer_bytes", ...called]);
  });

  it("end although the filter holds them, and say so", () => {
    const found = run(withFunctions(onRequest(PAUSE)));
    expect(found.streams).toMatchObject([
      { ended: false, pausedIn: ["request headers"], upstreamRequests: 0 },
      { ended: false, pausedIn: ["request headers"], upstreamRequests: 0 },
    ]);
    expect(codes(found)).toEqual(["warning STREAM_HELD", "warning STREAM_HELD"]);
  });

  it("survive a trap, which is told once", () => {
    const found = run(withFunctions(onRequest(TRAP)));
    expect(found.outcome).toBe("ran");
    expect(found.streams.map(({ status }) => status)).toEqual([503, 503]);
    const trap = found.reports.find(({ code }) => code === "trap");
    expect(trap).toMatchObject({ callback: "proxy_on_request_headers" });
    expect(codes(found).filter((code) => code.endsWith("STREAM_TRAP"))).toEqual(["warning STREAM_TRAP"]);
  });

  it("answer callouts, so that a filter that waits for one goes on", () => {
    // proxy_http_call("", {:authority, :method, :path}, …) needs memory the builder does not fill: a status of 2 is enough.
    const call = [...Array.from({ length: 10 }, () => [0x41, 0x00]).flat(), 0x10, 0x00, 0x1a, ...CONTINUE];
    const module = filterModule({
      imports: [{ name: "proxy_http_call", params: "iiiiiiiiii", result: "i" }],
      functions: [onRequest(call)],
    });
    expect(run(module)).toMatchObject({ calls: ["env.proxy_http_call"], streams: [{ ended: true }, { ended: true }] });
  });
});

describe("a connection through a filter for TCP", () => {
  const onConnection = (body: readonly number[]): FunctionSpec => ({
    export: "proxy_on_new_connection",
    params: "i",
    result: "i",
    body,
  });
  const onData: FunctionSpec = { export: "proxy_on_downstream_data", params: "iii", result: "i", body: CONTINUE };

  it("is opened, served and closed", () => {
    const found = run(withFunctions(onConnection(CONTINUE), onData), { tcp: "only" });
    expect(found).toMatchObject({ outcome: "ran", reports: [] });
    expect(found.streams).toEqual([{ name: "TCP connection", ended: true, pausedIn: [], upstreamRequests: 1 }]);
  });

  it("takes the place of requests that trap, when it goes better", () => {
    const tcp = "if-http-traps";
    const forTcp = withFunctions(onRequest(TRAP), onConnection(CONTINUE));
    expect(run(forTcp, { tcp })).toMatchObject({ streams: [{ name: "TCP connection" }], reports: [] });
    const broken = withFunctions(onRequest(TRAP), onConnection(TRAP));
    expect(codes(run(broken, { tcp })).filter((code) => code.endsWith("STREAM_TRAP"))).toHaveLength(1);
    expect(run(broken, { tcp }).streams).toHaveLength(2);
    expect(run(withFunctions(onRequest(CONTINUE), onConnection(TRAP)), { tcp }).streams).toHaveLength(2);
    expect(run(forTcp).streams).toHaveLength(2);
  });

  it("is opened when there are no callbacks for HTTP", async () => {
    const filter = {
      config: undefined,
      rootId: "",
      rootIds: [],
      module: withFunctions(onConnection(CONTINUE), onData),
    };
    const { smoke, findings } = await examineModule(filter, { smoke: true });
    expect([smoke?.streams.map(({ name }) => name), findings]).toEqual([["TCP connection"], []]);
  });
});

describe("a filter that does not start", () => {
  const started = filterFunctions();
  const starting = (body: readonly number[]): Uint8Array =>
    buildModule({ functions: started.map((each) => (each.export === "_initialize" ? { ...each, body } : each)) });

  it("is told by the step it failed in", () => {
    const steps: readonly (readonly [Uint8Array, string])[] = [
      [starting(TRAP), "start"],
      [buildModule({ functions: [...started, { body: TRAP }], start: started.length }), "instantiate"],
      [withFunctions(onConfigure([0x41, 0x00])), "configure"],
      [withFunctions(onConfigure(TRAP)), "configure"],
      [withFunctions({ export: "proxy_on_vm_start", params: "ii", result: "i", body: [0x41, 0x00] }), "vm-start"],
      [withFunctions({ export: "proxy_on_context_create", params: "ii", body: TRAP }), "root-context"],
      [filterModule({ imports: [{ name: "nope" }] }), "load"],
    ];
    expect(steps.map(([module]) => run(module).failure?.step)).toEqual(steps.map(([, step]) => step));
    expect(steps.map(([module]) => run(module).outcome)).toEqual(steps.map(() => "refused"));
  });

  it("calls what is not allowed in start code, in Envoy's words, with what is", () => {
    const call = [0x41, 0x00, 0x10, 0x00, 0x1a];
    const module = buildModule({
      imports: [{ name: "proxy_set_tick_period_milliseconds", params: "i", result: "i" }],
      functions: started.map((each) => (each.export === "_initialize" ? { ...each, body: call } : each)),
    });
    const found = run(module);
    expect(found.failure?.message).toMatch(/Function: _initialize failed: Uncaught Error: restricted_callback/u);
    const [finding] = findingsOf(
      { report: checkModule(module), config: undefined, rootId: "", rootIds: [] },
      { durationMs: 1, ...found },
    );
    expect(finding?.hint).toMatch(/before it is started a filter may only log/u);
  });

  it("that rejects its configuration is at fault only when that is the real one", () => {
    const rejects = run(withFunctions(onConfigure([0x41, 0x00])));
    expect(codes(rejects)).toEqual(["warning CONFIG_REJECTED"]);
    expect(codes(rejects, { config: "" })).toEqual(["error CONFIG_REJECTED"]);
    expect(codes(rejects, { config: "{}" })).toEqual(["error CONFIG_REJECTED"]);
    expect(codes(run(starting(TRAP)))).toEqual(["error FILTER_NOT_STARTED"]);
  });

  it("that does not know a root id nobody named is at fault only when that is the real one", () => {
    const unknown = run(withFunctions({ export: "proxy_on_context_create", params: "ii", body: TRAP }));
    expect(codes(unknown)).toEqual(["warning FILTER_NOT_STARTED"]);
    expect(codes(unknown, { config: "" })).toEqual(["error FILTER_NOT_STARTED"]);
    expect(codes(unknown, { rootId: "mine" })).toEqual(["error FILTER_NOT_STARTED"]);
  });
});

describe("in a thread of its own", () => {
  it("gives the same, and how long it took", async () => {
    const found = await smokeModule(request(filterModule()));
    expect(found).toMatchObject({ outcome: "ran", streams: [{ status: 204 }, { status: 200 }] });
    expect(found.durationMs).toBeGreaterThan(0);
  });

  it("a filter that loops is ended and named by its callback", async () => {
    const limit = { hardLimitMs: 100 };
    const inStream = await smokeModule(request(withFunctions(onRequest(LOOP))), limit);
    expect(inStream).toMatchObject({
      outcome: "stuck",
      failure: { step: "streams", callback: "proxy_on_request_headers" },
    });
    expect(codes(inStream)).toEqual(["error FILTER_STUCK"]);
    const inConfigure = await smokeModule(request(withFunctions(onConfigure(LOOP))), limit);
    expect(inConfigure.failure).toMatchObject({ step: "configure", callback: "proxy_on_configure" });
    const atStart = buildModule({
      functions: [...filterFunctions(), { body: LOOP.slice(0, -2) }],
      start: filterFunctions().length,
    });
    expect((await smokeModule(request(atStart), limit)).failure?.step).toBe("start");
  });

  it("a thread that was started ahead gives the same, is used once, and is watched", async () => {
    const spare = spareForSmoke(64);
    onTestFinished(() => spare.close());
    spare.prepare();
    const limit = { spare, hardLimitMs: 100 };
    const good = await smokeModule(request(filterModule()), limit);
    expect(good).toMatchObject({ outcome: "ran", streams: [{ status: 204 }, { status: 200 }] });
    spare.prepare();
    const loops = await smokeModule(request(withFunctions(onConfigure(LOOP))), limit);
    expect(loops).toMatchObject({ outcome: "stuck", failure: { callback: "proxy_on_configure" } });
    expect(await smokeModule(request(filterModule()), limit)).toMatchObject({ outcome: "ran" });
  });

  it("ends with the signal's reason", async () => {
    const reason = new Error("enough");
    const stop = new AbortController();
    const running = smokeModule(request(withFunctions(onRequest(LOOP))), { signal: stop.signal });
    setTimeout(() => stop.abort(reason), 20);
    await expect(running).rejects.toBe(reason);
  });

  it("is not tried for a module no proxy loads, nor when it is not wanted", async () => {
    const filter = { config: undefined, rootId: "", rootIds: [] };
    const refused = await examineModule(
      { ...filter, module: filterModule({ imports: [{ name: "nope" }] }) },
      { smoke: true },
    );
    expect([refused.smoke, refused.report.ok, refused.findings]).toEqual([undefined, false, []]);
    expect((await examineModule({ ...filter, module: filterModule() }, { smoke: false })).smoke).toBeUndefined();
  });
});

describe("what a filter logs", () => {
  const lines = (...texts: string[]): SmokeResult["lines"] => {
    const recorder = new SmokeRecorder(() => undefined);
    for (const text of texts) recorder.log({ level: "info", text });
    return recorder.seen([]).lines;
  };

  it.each([
    "thread '<unnamed>' panicked at src/lib.rs:12:9:\nunexpected status: 2",
    "panic: runtime error: index out of range [3] with length 0",
    "fatal error: nanotime returning zero",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "abort: index out of range at assembly/index.ts(3:1)",
  ])("is known for a panic: %s", (text) => {
    expect(lines(text)).toMatchObject([{ panic: true }]);
  });

  it("is known for a panic when it is critical, as AssemblyScript logs its aborts", () => {
    const recorder = new SmokeRecorder(() => undefined);
    recorder.log({ level: "critical", text: "Missing root context factory" });
    expect(recorder.seen([]).lines).toMatchObject([{ panic: true }]);
  });

  it("is kept when it is a warning, and not without end", () => {
    const recorder = new SmokeRecorder(() => undefined);
    recorder.log({ level: "info", text: "the panic button was pressed" });
    recorder.log({ level: "warn", text: "careful" });
    for (let i = 0; i < 1000; i += 1) recorder.log({ level: "error", text: "x".repeat(10_000) });
    const kept = recorder.seen([]).lines;
    expect(kept[0]).toEqual({ level: "warn", text: "careful", panic: false });
    expect([kept.length, kept.at(-1)?.text.length]).toEqual([50, 2000]);
  });

  it("a reason in the line after the panic is told with it", () => {
    const smoke = { ...run(filterModule()), lines: lines("fatal error: ", "nanotime returning zero").concat() };
    const told = [...smoke.lines, { level: "error" as const, text: "nanotime returning zero", panic: false }];
    const [finding] = findingsOf(
      { report: checkModule(filterModule()), config: undefined, rootId: "", rootIds: [] },
      { durationMs: 1, ...smoke, lines: told },
    );
    expect(finding?.message).toMatch(/gave up: fatal error: nanotime returning zero$/u);
  });
});

describe("settings", () => {
  it("an SDK that may not do without a configuration is believed until the streams show that it does", () => {
    const warning = { code: "MODULE_NEEDS_CONFIG", message: "traps without a configuration" } as const;
    const report = { ...checkModule(filterModule()), warnings: [warning] };
    expect(codes(run(filterModule()), { report })).toEqual([]);
    const rejects = run(withFunctions(onConfigure(TRAP)));
    expect(codes(rejects, { report })).toEqual(["warning MODULE_NEEDS_CONFIG", "warning CONFIG_REJECTED"]);
    const unrun = findingsOf({ report, config: undefined, rootId: "", rootIds: [] }, undefined);
    expect(unrun.map(({ code }) => code)).toEqual(["MODULE_NEEDS_CONFIG"]);
  });

  it("a root id the image does not name is a warning", () => {
    const smoke = run(filterModule());
    expect(codes(smoke, { rootId: "other", rootIds: ["one", "two"] })).toEqual(["warning ROOT_ID_NOT_NAMED"]);
    expect(codes(smoke, { rootId: "two", rootIds: ["one", "two"] })).toEqual([]);
    expect(codes(smoke, { rootId: "any", rootIds: [] })).toEqual([]);
  });
});
