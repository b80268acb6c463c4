import { describe, expect, it } from "vitest";
import { Host } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { pluginConfig, type PluginSettings } from "../../../src/host/plugin-config.ts";
import type { TraceEvent } from "../../../src/host/trace.ts";
import { buildModule, filterFunctions, filterModule, type FunctionSpec } from "../../support/wasm-builder.ts";
import { component } from "../../components/require-component.ts";
import { RecordingCallbacks, recordingEnvironment, type RecordingEnvironment } from "./support/recording.ts";
import { scriptModule, Scripted } from "./support/scripted.ts";

const found = await component("clang", () => scriptModule());
const missing = "skip" in found ? found.skip : "";
const module = "skip" in found ? new Uint8Array() : found.ready;

const TRAP = [0x00];
const CALL_FIRST_IMPORT = [0x10, 0x00, 0x1a];
/** An import without parameters and with an i32. */
const SCHED_YIELD = { module: "wasi_snapshot_preview1", name: "sched_yield", result: "i" };
const DONE = { name: "proxy_done", result: "i" };

function start(
  bytes: Uint8Array,
  settings?: PluginSettings,
): { environment: RecordingEnvironment; result: ReturnType<Host["start"]> } {
  const environment = recordingEnvironment();
  const host = new Host({ environment });
  return { environment, result: host.start(loadModule(bytes, { stubUnknown: true }), pluginConfig(settings)) };
}

/** The functions of a filter with one of them replaced or added. */
function withFunction(given: FunctionSpec): FunctionSpec[] {
  return [...filterFunctions().filter((item) => item.export !== given.export), given];
}

describe("starting", () => {
  it("says where it ended, with Envoy's words", () => {
    const failing: [string, FunctionSpec][] = [
      ["start", { export: "_initialize", body: TRAP }],
      ["root-context", { export: "proxy_on_context_create", params: "ii", body: TRAP }],
      ["vm-start", { export: "proxy_on_vm_start", params: "ii", result: "i", body: TRAP }],
      ["configure", { export: "proxy_on_configure", params: "ii", result: "i", body: TRAP }],
    ];
    for (const [reason, spec] of failing) {
      const { result, environment } = start(buildModule({ functions: withFunction(spec) }));
      expect(result).toMatchObject({ started: false, reason });
      const message = result.started ? "" : result.message;
      expect(message).toContain(`Function: ${String(spec.export)} failed: Uncaught RuntimeError: unreachable`);
      expect(message).not.toContain("backtrace");
      expect(environment.reports).toMatchObject([{ code: "trap", severity: "fault" }]);
      expect(environment.lines).toMatchObject([{ level: "error", source: "host", text: message }]);
    }
  });

  it("shows the guest's stack when functions have names", () => {
    const functions = withFunction({ export: "_initialize", body: TRAP });
    const names = [1, 14, 1, 2, 11, ...new TextEncoder().encode("start_of_it")];
    const bytes = buildModule({ functions, custom: [{ name: "name", bytes: Uint8Array.from(names) }] });
    const { result } = start(bytes);
    expect(result.started ? "" : result.message).toMatch(
      /^Function: _initialize failed: Uncaught RuntimeError: unreachable\nProxy-Wasm plugin in-VM backtrace:\n {2}0: {2}0x[\da-f]+ - start_of_it$/u,
    );
  });

  it("tells a refusal from a trap", () => {
    const no = (name: string): Uint8Array =>
      filterModule({ functions: [{ export: name, params: "ii", result: "i", body: [0x41, 0] }] });
    expect(start(no("proxy_on_vm_start")).result).toEqual({
      started: false,
      reason: "vm-start",
      message: "Failed to start base Wasm",
    });
    expect(start(no("proxy_on_configure")).result).toEqual({
      started: false,
      reason: "configure",
      message: "Failed to configure base Wasm plugin",
    });
    expect(start(no("proxy_validate_configuration")).result.started).toBe(true);
  });

  it("ends with a trap in the start section", () => {
    const functions = [...filterFunctions(), { body: TRAP }];
    expect(start(buildModule({ functions, start: 3 })).result).toMatchObject({
      started: false,
      reason: "instantiate",
      message: expect.stringContaining(
        "Failed to create new Wasm instance: Uncaught RuntimeError: unreachable",
      ) as string,
    });
  });

  it("lets start code call only what Envoy lets it", () => {
    const at = (imports: object[], spec: FunctionSpec): ReturnType<typeof start> =>
      start(buildModule({ imports: imports as never, functions: withFunction(spec) }));
    const initialize = { export: "_initialize", body: CALL_FIRST_IMPORT };
    for (const given of [SCHED_YIELD, DONE]) {
      const { result } = at([given], initialize);
      expect(result.started ? "" : result.message).toContain("failed: Uncaught Error: restricted_callback");
    }
    const buffers = { name: "proxy_get_header_map_size", params: "ii", result: "i" };
    const body = [0x41, 99, 0x41, 0, 0x10, 0, 0x1a];
    expect(at([buffers], { export: "_initialize", body }).result.started).toBe(false);
    const resolution = { module: "wasi_unstable", name: "clock_res_get", params: "ii", result: "i" };
    expect(at([resolution], { export: "_initialize", body }).result.started).toBe(true);
    const configure = {
      export: "proxy_on_configure",
      params: "ii",
      result: "i",
      body: [...CALL_FIRST_IMPORT, 0x41, 1],
    };
    expect(at([DONE], configure).result.started).toBe(true);
  });

  it("lets a start section run without a memory at hand", () => {
    const log = { name: "proxy_log", params: "iii", result: "i" };
    const body = [0x41, 2, 0x41, 0, 0x41, 0, 0x10, 0, 0x1a];
    const { result, environment } = start(
      buildModule({ imports: [log], functions: [...filterFunctions(), { body }], start: 3 }),
    );
    expect(result.started).toBe(true);
    expect(environment.lines).toMatchObject([{ text: "", plugin: undefined, contextId: undefined, stream: false }]);
    expect(environment.reports).toMatchObject([
      { code: "start-section-call", severity: "warning", callback: "the start section" },
    ]);
  });

  it("restricts start sections as it does start code", () => {
    const functions = [...filterFunctions(), { body: CALL_FIRST_IMPORT }];
    const { result } = start(buildModule({ imports: [DONE], functions, start: 3 }));
    expect(result).toMatchObject({ started: false, reason: "instantiate" });
    const harmless = { module: "wasi_unstable", name: "fd_sync", params: "i", result: "i" };
    const sync = [...filterFunctions(), { body: [0x41, 1, 0x10, 0, 0x1a] }];
    const fine = start(buildModule({ imports: [harmless], functions: sync, start: 3 }));
    expect([fine.result.started, fine.environment.reports]).toEqual([true, []]);
  });

  it("lets allocators call less still", () => {
    const get = { name: "proxy_get_buffer_bytes", params: "iiiii", result: "i" };
    const configured = [0x41, 7, 0x41, 0, 0x41, 3, 0x41, 64, 0x41, 68, 0x10, 1, 0x1a, 0x41, 1];
    const allocate = {
      export: "proxy_on_memory_allocate",
      params: "i",
      result: "i",
      body: [...CALL_FIRST_IMPORT, 0x41, 16],
    };
    const functions = [
      ...withFunction(allocate),
      { export: "proxy_on_configure", params: "ii", result: "i", body: configured },
    ];
    const { result } = start(buildModule({ imports: [SCHED_YIELD, get], functions }), { configuration: "abc" });
    expect(result).toMatchObject({ started: false, reason: "configure" });
    expect(result.started ? "" : result.message).toContain("Function: proxy_on_memory_allocate failed");
  });

  it("answers stubs of unknown imports and reports them once", () => {
    const future = { name: "proxy_of_the_future", result: "i" };
    const body = [0x10, 0, 0x10, 0, 0x6a];
    const { result, environment } = start(
      filterModule({
        imports: [future],
        functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body }],
      }),
    );
    expect(result.started).toBe(true);
    expect(environment.reports).toMatchObject([{ code: "unknown-import", severity: "warning" }]);
  });
});

describe("a guest that fails", () => {
  it("is named for what it did", () => {
    const recursion = [...filterFunctions(), { export: "proxy_on_tick", params: "i", body: [0x20, 0, 0x10, 3] }];
    const { result, environment } = start(buildModule({ functions: recursion }));
    if (!result.started) throw new Error(result.message);
    result.plugin.tick();
    expect(result.plugin.failed).toBe(true);
    expect(environment.reports[0]?.message).toContain(
      "Function: proxy_on_tick failed: Uncaught RangeError: Maximum call stack size exceeded (stack overflow)",
    );
    result.plugin.tick();
    expect(environment.reports).toHaveLength(1);
  });

  it("is not blamed for what the driver threw", () => {
    const random = { module: "wasi_unstable", name: "random_get", params: "ii", result: "i" };
    const body = [0x41, 0, 0x41, 1, 0x10, 0, 0x1a];
    const bytes = filterModule({ imports: [random], functions: [{ export: "proxy_on_tick", params: "i", body }] });
    const environment = recordingEnvironment({
      random: () => {
        throw new Error("no entropy");
      },
    });
    const result = new Host({ environment }).start(loadModule(bytes), pluginConfig());
    if (!result.started) throw new Error(result.message);
    expect(() => result.plugin.tick()).toThrow("no entropy");
    expect(environment.reports).toEqual([]);
    expect(environment.lines).toEqual([]);
    expect(result.plugin.failed).toBe(true);
  });

  it("writes lines longer than any string, and the host lives", () => {
    const log = { name: "proxy_log", params: "iii", result: "i" };
    const write = { module: "wasi_unstable", name: "fd_write", params: "iiii", result: "i" };
    const add = { name: "proxy_add_header_map_value", params: "iiiii", result: "i" };
    const all = [0x41, 0x80, 0x80, 0x80, 0x80, 0x03]; // i32.const of 768 MiB
    const body = [
      [0x41, 2, 0x41, 0, ...all, 0x10, 0, 0x1a],
      [0x41, 8, ...all, 0x36, 2, 0, 0x41, 1, 0x41, 4, 0x41, 1, 0x41, 0, 0x10, 1, 0x1a],
      [0x41, 0, 0x41, 0, ...all, 0x41, 0, ...all, 0x10, 2, 0x1a],
    ].flat();
    const bytes = filterModule({
      imports: [log, write, add],
      memory: { pages: 12_288 },
      functions: [{ export: "proxy_on_tick", params: "i", body }],
    });
    const { result, environment } = start(bytes);
    if (!result.started) throw new Error(result.message);
    result.plugin.tick();
    expect(result.plugin.failed).toBe(false);
    expect(environment.lines.map(({ text }) => text.length)).toEqual([16 * 1024 * 1024]);
  });

  it("names what it imports as it likes", () => {
    const imports = [{ kind: "table" as const, module: "__proto__", name: "polluted" }];
    expect(start(filterModule({ imports })).result.started).toBe(true);
    expect("polluted" in {}).toBe(false);
  });

  it("tells when its memory was at the limit", () => {
    const body = [0x41, 1, 0x40, 0, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x00, 0x0b, 0x41, 1];
    const bytes = filterModule({ functions: [{ export: "proxy_on_configure", params: "ii", result: "i", body }] });
    const environment = recordingEnvironment();
    new Host({ environment }).start(loadModule(bytes, { maxMemoryPages: 1 }), pluginConfig());
    expect(environment.reports.map(({ code }) => code)).toEqual(["memory-limit", "trap"]);
  });
});

describe.skipIf(missing !== "")(`plugins${missing && `: ${missing}`}`, () => {
  it("count the heartbeat up around the outermost call", () => {
    const heartbeat = new Int32Array(1);
    const beats: number[] = [];
    const log = (): void => void beats.push(heartbeat[0] ?? 0);
    const run = new Scripted(module, "cfg: log 2 hello", { environment: { heartbeat, log } });
    expect(run.plugin.failed).toBe(false);
    expect(beats.every((beat) => beat % 2 === 1)).toBe(true);
    expect(beats.length).toBeGreaterThan(3);
    expect((heartbeat[0] ?? 0) % 2).toBe(0);
  });

  it("take log lines from the level on, and see who wrote them", () => {
    const run = new Scripted(module, "rqh: log 1 quiet; log 3 loud; log 6 x; log_level; log 2 ^0xfffffff0:99", {
      host: { logLevel: "info" },
      plugin: { name: "n", rootId: "r", vmId: "v" },
    });
    const lines = run.environment.lines;
    run.stream().filter.decodeHeaders(run.stream().request, true);
    expect(lines.find(({ text }) => text === "loud")).toEqual({
      level: "warn",
      text: "loud",
      source: "log",
      plugin: { name: "n", rootId: "r", vmId: "v" },
      contextId: 2,
      stream: true,
    });
    const said = run.said();
    expect(said).not.toContain("quiet");
    expect(said.slice(-3)).toEqual(["log 6 x -> 2", "log_level -> 0 2", "log 2 ^0xfffffff0:99 -> 6"]);
  });

  it("act for other contexts until the callback ends", () => {
    const run = new Scripted(
      module,
      "rqh#1: ret 1\nrqh#2: effective 2; get 0 :path; continue 0; effective $root; get 0 :path; effective 99; effective 0; get 0 :path\nrsh: get 2 :status",
    );
    const [one, two] = [run.stream(), run.stream()];
    one.requestHeaders();
    two.request.set(":path", "/two");
    expect(two.requestHeaders().slice(3)).toEqual([
      "effective 2 -> 0",
      'get 0 :path -> 0 "/"',
      "continue 0 -> 0",
      "effective $root -> 0",
      "get 0 :path -> 2",
      "effective 99 -> 2",
      "effective 0 -> 0",
      'get 0 :path -> 0 "/two"',
    ]);
    expect(one.callbacks.acts).toEqual(["continueDecoding"]);
    expect(two.callbacks.acts).toEqual([]);
    expect(two.responseHeaders().at(-1)).toBe('get 2 :status -> 0 "200"');
    one.destroy();
    const three = run.stream();
    expect(three.filter.decodeHeaders(three.request, true)).toBe("continue");
  });

  it("tick when the clock says so, also when a stream set the timer, and never when they are gone", () => {
    const run = new Scripted(module, "rqh: set_tick 20");
    expect(run.host.nextDue()).toBeUndefined();
    run.stream().requestHeaders();
    run.said();
    const { clock } = run.environment;
    expect(run.host.nextDue()).toBe(clock.at + 20_000_000n);
    expect(run.host.settle()).toBe(0);
    clock.at += 20_000_000n;
    expect(run.host.settle()).toBe(1);
    expect(run.said()).toEqual(["tick #1"]);
    run.host.stop();
    expect(run.said()).toEqual(["root_done #1", "root_del #1"]);
    expect(run.host.nextDue()).toBeUndefined();
  });

  it("tick no more when they trapped", () => {
    const run = new Scripted(module, "cfg: set_tick 20\ntick: trap");
    run.environment.clock.at += 20_000_000n;
    expect(run.host.settle()).toBe(1);
    expect(run.plugin.failed).toBe(true);
    expect(run.host.nextDue()).toBeUndefined();
  });

  it("stay after the end as long as they want to", () => {
    const run = new Scripted(module, "cfg: done; set_tick 10\nroot_done: done; ret 0\ntick@2: done; done");
    run.host.stop();
    expect(run.said()).toEqual(["root_done #1", "done -> 1"]);
    run.environment.clock.at += 10_000_000n;
    run.host.settle();
    run.environment.clock.at += 10_000_000n;
    run.host.settle();
    expect(run.said()).toEqual(["tick #1", "tick #1", "done -> 0", "done -> 0", "root_del #1"]);
    expect(run.host.nextDue()).toBeUndefined();
  });

  it("give up their callouts when the last root is gone, not before", () => {
    const cancelled: number[] = [];
    const callouts = {
      http: () => "sent" as const,
      cancelHttp: ({ token }: { token: number }) => void cancelled.push(token),
    };
    const script =
      'cfg: http c {:path: /, :method: GET, :authority: a} "" {} 0; set_tick 10\nroot_done: ret 0\ntick: done';
    const run = new Scripted(module, script, { environment: { callouts } });
    run.host.stop();
    expect(cancelled).toEqual([]);
    run.environment.clock.at += 10_000_000n;
    run.host.settle();
    expect(run.said().at(-1)).toBe("root_del #1");
    expect(cancelled).toEqual([4]);
  });

  it("share a VM by vm_id, configuration and module, and are one where they are equal", () => {
    const run = new Scripted(module, "cfg: set_tick 10");
    const other = run.start(module, "tick: set_tick 0");
    expect(run.said()).toEqual(["new #2 0", "vms #2 0", "cfg #2"]);
    const equal = run.start(module, "tick: set_tick 0");
    expect(run.said()).toEqual([]);
    expect(run.stream(equal).requestHeaders()[1]).toBe("new #3 2");
    expect(run.stream(other).requestHeaders()[1]).toBe("new #4 2");
    run.start(module, "", { plugin: { vmId: "another" } });
    expect(run.said()[0]).toBe("new #1 0");
    run.environment.clock.at += 10_000_000n;
    expect(run.host.settle()).toBe(1);
  });

  it("run once per worker, each with its own ids and memory", () => {
    const run = new Scripted(module, "rqh: define 0 m; increment 4 1; metric 4", { host: { workers: 2 } });
    const streams = [run.stream(run.plugin, 0), run.stream(run.plugin, 1), run.stream(run.plugin, 1)];
    const said = streams.map((stream) => stream.requestHeaders());
    expect(said.map((lines) => lines[1])).toEqual(["new #2 1", "new #2 1", "new #3 1"]);
    expect(said.map((lines) => lines[5])).toEqual(["metric 4 -> 0 1", "metric 4 -> 0 2", "metric 4 -> 0 3"]);
    expect(() => run.plugin.createHttpFilter(2)).toThrow("there is no worker 2");
  });

  it("are called with bytes by foreign functions", () => {
    const run = new Scripted(module, "ffn: buf 8 0 9");
    run.plugin.callForeignFunction(7, new TextEncoder().encode("bytes"));
    expect(run.said()).toEqual(["ffn #1 7 5", 'buf 8 0 9 -> 0 "bytes"']);
  });

  it("tell the trace of every call in both directions, and of none without one", () => {
    const events: TraceEvent[] = [];
    const run = new Scripted(module, "rqh: get 0 :path; trap", {
      environment: { trace: (event) => void events.push(event) },
    });
    expect(events.slice(0, 2)).toEqual([
      { type: "callback", plugin: undefined, contextId: 0, name: "_initialize", args: [] },
      { type: "return", name: "_initialize", result: undefined, trap: undefined },
    ]);
    events.splice(0);
    const stream = run.stream();
    stream.filter.decodeHeaders(stream.request, true);
    const told = events.filter(({ name }) => name !== "proxy_log");
    expect(told.map(({ type, name }) => `${type} ${name}`)).toEqual([
      "callback proxy_on_context_create",
      "return proxy_on_context_create",
      "callback proxy_on_request_headers",
      "call proxy_get_header_map_value",
      "return proxy_on_request_headers",
    ]);
    expect(told[2]).toMatchObject({ plugin: "filter", contextId: 2, args: [2, 3, 1] });
    expect(told[4]).toMatchObject({ trap: "unreachable", result: undefined });
  });

  it.each([
    ["c-script-malloc", ["_initialize", "main"]],
    ["c-script-start", ["_start"]],
    ["c-script-0.2.0", []],
  ] as const)("start as %s does", async (name, said) => {
    const environment = recordingEnvironment();
    const host = new Host({ environment });
    const result = host.start(loadModule(await scriptModule(name)), pluginConfig({ configuration: "rqh: buf 6 0 9" }));
    expect(result.started).toBe(true);
    expect(environment.lines.map(({ text }) => text).slice(0, said.length)).toEqual(said);
    if (!result.started) return;
    const filter = result.plugin.createHttpFilter();
    filter.attach(new RecordingCallbacks());
    expect(result.plugin.memoryPages()).toBeGreaterThan(0);
  });
});
