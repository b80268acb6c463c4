import { describe, expect, it } from "vitest";
import { Host } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { component } from "../../components/require-component.ts";
import { recordingEnvironment } from "./support/recording.ts";
import { scriptModule, Scripted } from "./support/scripted.ts";

const found = await component("clang", () => scriptModule());
const missing = "skip" in found ? found.skip : "";
const module = "skip" in found ? new Uint8Array() : found.ready;

describe.skipIf(missing !== "")(`plugins that fail or may not${missing && `: ${missing}`}`, () => {
  it("leave nothing behind when they are refused, also by a later worker", () => {
    const run = new Scripted(module, "", { host: { workers: 2 } });
    const config = pluginConfig({ configuration: "cfg: set_tick 10; ret 0" });
    expect(run.host.start(loadModule(module), config)).toMatchObject({ started: false, reason: "configure" });
    expect(run.host.nextDue()).toBeUndefined();
    expect(run.plugin.contexts()).toBe(1);
    // The gauge is shared: in the second worker it has come to 2^32, of which the script sees 0.
    const late = "cfg: define 1 g; increment 5 0x80000000; metric 5 =n; set_tick 10; ret $n";
    const refused = run.host.start(loadModule(module), pluginConfig({ configuration: late, vmId: "own" }));
    expect(run.said().filter((line) => line.startsWith("metric"))).toEqual([
      "metric 5 =n -> 0 2147483648",
      "metric 5 =n -> 0 4294967296",
    ]);
    expect(refused).toMatchObject({ started: false, reason: "configure" });
    expect(run.host.nextDue()).toBeUndefined();
    expect([run.plugin.contexts(0), run.plugin.contexts(1)]).toEqual([1, 1]);
  });

  it("answer 503 once and for all when the VM is gone", () => {
    const run = new Scripted(module, "rqh#1: trap");
    const [one, two] = [run.stream(), run.stream()];
    expect(one.requestHeaders()[0]).toBe("stop-all-and-watermark");
    expect(one.callbacks.reply).toMatchObject({ status: 503, details: "wasm_fail_stream", grpcStatus: 14 });
    expect(one.responseHeaders()).toEqual(["continue"]);
    expect(one.log()).toEqual([]);
    expect(one.destroy()).toEqual([]);
    expect(two.requestHeaders()[0]).toBe("stop-all-and-watermark");
    expect(two.requestData("x")[0]).toBe("stop-no-buffer");
    expect(two.callbacks.acts).toEqual(["sendLocalReply 503 wasm_fail_stream"]);
    run.environment.clock.at += 5_000_000_000n;
    const three = run.stream();
    expect(three.requestHeaders()).toEqual(["stop-all-and-watermark"]);
    expect(three.callbacks.acts).toEqual(["sendLocalReply 503 wasm_fail_stream"]);
    expect(run.environment.reports.map(({ code }) => code)).toEqual(["trap", "failed-vm"]);
    expect(run.plugin.contexts()).toBe(2);
  });

  it("fail in response callbacks too", () => {
    const run = new Scripted(module, "rsh#1: trap\nrsb: trap");
    const one = run.stream();
    one.requestHeaders(true);
    expect(one.responseHeaders()[0]).toBe("stop-all-and-watermark");
    expect(one.callbacks.acts).toEqual(["sendLocalReply 503 wasm_fail_stream"]);
  });

  it("let streams pass when the policy is open, those that come after the trap", () => {
    const run = new Scripted(module, "rqh#1: trap", { plugin: { failurePolicy: "open" } });
    const one = run.stream();
    one.requestHeaders();
    expect(one.callbacks.acts).toEqual(["sendLocalReply 503 wasm_fail_stream"]);
    const two = run.stream();
    expect([two.requestHeaders()[0], two.requestData("a")[0], two.requestTrailers()[0]]).toEqual([
      "continue",
      "continue",
      "continue",
    ]);
    expect(two.callbacks.acts).toEqual([]);
  });

  it("are loaded anew when the policy is reload, at most once a second from the last load", () => {
    const run = new Scripted(module, "rqh: get 0 x-trap\nrqh@1: trap", { plugin: { failurePolicy: "reload" } });
    const outcome = (): string => run.stream().requestHeaders().at(1) ?? "answered";
    expect(outcome()).toBe("new #2 1");
    run.environment.clock.at += 999_999_999n;
    expect(outcome()).toBe("answered");
    run.environment.clock.at += 1n;
    expect(run.stream().requestHeaders().slice(1, 5)).toEqual(["new #1 0", "vms #1 0", "cfg #1", "new #2 1"]);
    expect(outcome()).toBe("answered");
    run.environment.clock.at += 2_000_000_000n;
    expect(run.stream().requestHeaders().length).toBeGreaterThan(3);
  });

  it("are reloaded together when they share the VM", () => {
    const run = new Scripted(module, "rqh: trap", { plugin: { failurePolicy: "reload" } });
    const other = run.start(module, "", { plugin: { failurePolicy: "reload" } });
    run.said();
    run.stream().requestHeaders();
    run.environment.clock.at += 1_000_000_000n;
    expect(run.stream(other).requestHeaders()[0]).toBe("continue");
    const again = run.stream();
    expect(again.requestHeaders().slice(1, 4)).toEqual(["new #3 0", "vms #3 0", "cfg #3"]);
  });

  it("may do only what their configuration grants", () => {
    const allowed = [
      "proxy_log",
      "proxy_on_request_headers",
      "proxy_on_configure",
      "proxy_on_context_create",
      "proxy_get_buffer_bytes",
    ];
    const run = new Scripted(module, "rqh: get 0 :path; sched_yield; get 0 :path", {
      plugin: { allowedCapabilities: new Set(allowed) },
    });
    const stream = run.stream();
    expect(stream.requestHeaders()).toEqual([
      "continue",
      "new #2 1",
      "rqh #2 3 0",
      "Attempted call to restricted proxy-wasm capability: proxy_get_header_map_value",
      "get 0 :path -> 10",
      "Attempted call to restricted WASI capability: sched_yield",
      "sched_yield -> 76",
      "Attempted call to restricted proxy-wasm capability: proxy_get_header_map_value",
      "get 0 :path -> 10",
    ]);
    expect(stream.responseHeaders()).toEqual(["continue"]);
    const codes = run.environment.reports.map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(["restricted-capability"]));
  });

  it("have what the profile's host has, and its limits", () => {
    const clock = { now: () => 1n, at: 0n, monotonic: () => (clock.at += 1_500_000n) };
    const run = new Scripted(module, "rqh: set_data a b 0", {
      host: { profile: "google" },
      load: { profile: "google" },
      environment: {},
    });
    Object.assign(run.environment.clock, clock);
    const stream = run.stream();
    expect(stream.requestHeaders().at(-1)).toBe("set_data a b 0 -> 12");
    expect(stream.requestTrailers()).toEqual(["continue"]);
    expect(run.environment.reports.map(({ code }) => code)).toContain("unsupported-call");
    const host = new Host({ environment: recordingEnvironment(), profile: "google" });
    expect(host.start(loadModule(module), pluginConfig())).toMatchObject({ started: false });
    const config = pluginConfig({ configuration: "x".repeat(2 * 1024 * 1024) });
    expect(host.start(loadModule(module, { profile: "google" }), config)).toMatchObject({ reason: "configure" });
  });
});
