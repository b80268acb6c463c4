import { describe, expect, it } from "vitest";
import { BodyBuffer } from "../../../src/host/body-buffer.ts";
import type { NetworkFilter, NetworkFilterCallbacks } from "../../../src/host/network-filter.ts";
import { newStreamInfo } from "../../../src/host/stream-info.ts";
import { component } from "../../components/require-component.ts";
import { scriptModule, Scripted, type ScriptedSettings } from "./support/scripted.ts";

const found = await component("clang", () => scriptModule());
const missing = "skip" in found ? found.skip : "";
const module = "skip" in found ? new Uint8Array() : found.ready;

interface Connection {
  readonly run: Scripted;
  readonly filter: NetworkFilter;
  readonly acts: string[];
}

function connect(script: string, settings?: ScriptedSettings): Connection {
  const run = new Scripted(module, script, settings);
  return { run, ...connection(run) };
}

function connection(run: Scripted): Omit<Connection, "run"> {
  const acts: string[] = [];
  const callbacks: NetworkFilterCallbacks = {
    info: newStreamInfo(0n),
    continueReading: () => void acts.push("continueReading"),
    continueWriting: () => void acts.push("continueWriting"),
    close: () => void acts.push("close"),
    report: () => undefined,
  };
  const filter = run.plugin.createNetworkFilter();
  filter.attach(callbacks);
  return { filter, acts };
}

const bytes = (text: string): BodyBuffer => new BodyBuffer(new TextEncoder().encode(text));

describe.skipIf(missing !== "")(`TCP connections${missing && `: ${missing}`}`, () => {
  it("go through their callbacks as in Envoy", () => {
    const { run, filter } = connect("");
    expect(filter.onNewConnection()).toBe("continue");
    expect(filter.onDownstreamData(bytes("abc"), false)).toBe("continue");
    expect(filter.onUpstreamData(bytes("de"), false)).toBe("continue");
    expect(filter.onUpstreamData(bytes(""), true)).toBe("continue");
    filter.onUpstreamClose("remote");
    expect(filter.onDownstreamData(bytes(""), true)).toBe("continue");
    filter.onDownstreamClose("remote");
    filter.onDownstreamClose("local");
    filter.destroy();
    expect(run.said()).toEqual([
      "new #2 1",
      "ncn #2",
      "dsd #2 3 0",
      "usd #2 2 0",
      "usd #2 0 1",
      "usc #2 0",
      "dsd #2 0 1",
      "dsc #2 2",
      "done #2",
      "log #2",
      "del #2",
    ]);
    expect(run.plugin.contexts()).toBe(1);
  });

  it("read and change data, and hold it", () => {
    const { filter, run } = connect(
      "ncn: ret 1\ndsd: buf 2 0 9; set_buf 2 0 1 Z; buf 3 0 9; ret 1\nusd: buf 2 0 9; buf 3 0 9",
    );
    expect(filter.onNewConnection()).toBe("stop-iteration");
    run.said();
    const data = bytes("abc");
    expect(filter.onDownstreamData(data, false)).toBe("stop-iteration");
    expect(new TextDecoder().decode(data.bytes())).toBe("Zbc");
    filter.onUpstreamData(bytes("up"), false);
    expect(run.said()).toEqual([
      "dsd #2 3 0",
      'buf 2 0 9 -> 0 "abc"',
      "set_buf 2 0 1 Z -> 0",
      "buf 3 0 9 -> 0 null",
      "usd #2 2 0",
      'buf 2 0 9 -> 0 "Zbc"',
      'buf 3 0 9 -> 0 "up"',
    ]);
  });

  it("go on and close after the callback; a local response does nothing", () => {
    const { filter, acts, run } = connect(
      "ncn: continue 0; continue 2; continue 3; close 0; close 2; close 3; local 403 d b {} -1",
    );
    filter.onNewConnection();
    expect(acts).toEqual(["continueReading", "close", "close"]);
    expect(run.said().slice(2)).toEqual([
      "continue 0 -> 0",
      "continue 2 -> 0",
      "continue 3 -> 12",
      "close 0 -> 0",
      "close 2 -> 0",
      "close 3 -> 0",
      "local 403 d b {} -1 -> 0",
    ]);
  });

  it("are closed when the VM is gone, or pass where the policy is open", () => {
    for (const failurePolicy of ["closed", "open"] as const) {
      const { filter, acts, run } = connect("dsd: trap", { plugin: { failurePolicy } });
      filter.onNewConnection();
      expect(filter.onDownstreamData(bytes("a"), false)).toBe("stop-iteration");
      expect(filter.onUpstreamData(bytes("a"), false)).toBe("stop-iteration");
      expect(acts).toEqual(["close"]);
      run.said();
      filter.destroy();
      expect(run.said()).toEqual([]);
      const next = connection(run);
      const open = failurePolicy === "open";
      expect(next.filter.onNewConnection()).toBe(open ? "continue" : "stop-iteration");
      expect(next.filter.onDownstreamData(bytes("a"), false)).toBe(open ? "continue" : "stop-iteration");
      expect(next.acts).toEqual(open ? [] : ["close"]);
    }
  });

  it("have nothing of HTTP", () => {
    const { run, filter } = connect("ncn: get 0 :path; pairs 2; buf 0 0 9");
    filter.onNewConnection();
    expect(run.said().slice(2)).toEqual(["get 0 :path -> 2", "pairs 2 -> 0 null", "buf 0 0 9 -> 0 null"]);
  });
});
