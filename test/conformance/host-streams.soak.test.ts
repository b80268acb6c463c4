import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { HeaderMap } from "../../src/host/header-map.ts";
import { Host } from "../../src/host/host.ts";
import type { HttpFilterCallbacks } from "../../src/host/http-filter.ts";
import { loadModule } from "../../src/host/load-module.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import type { Plugin } from "../../src/host/plugin.ts";
import { newStreamInfo } from "../../src/host/stream-info.ts";
import { need } from "../components/require-component.ts";
import { fixture, helloFixtures } from "../components/wasm-fixtures.ts";
import { recordingEnvironment } from "../unit/host/support/recording.ts";

const STREAMS = 1_000_000;

/** The least a leak of one word per stream makes of the heap over half the streams. */
const LEAK = (STREAMS / 2) * 8;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** A stream nobody listens to. */
const callbacks: HttpFilterCallbacks = {
  info: newStreamInfo(0n),
  decodingBuffer: () => undefined,
  addDecodedData: () => undefined,
  addDecodedTrailers: () => new HeaderMap("trailers"),
  continueDecoding: () => undefined,
  encodingBuffer: () => undefined,
  addEncodedData: () => undefined,
  addEncodedTrailers: () => new HeaderMap("trailers"),
  continueEncoding: () => undefined,
  sendLocalReply: () => undefined,
  resetStream: () => undefined,
  clearRouteCache: () => undefined,
  hasResponse: true,
  report: () => undefined,
};

/** Requests without bodies, their answers, and the end; how many answers the filter did not change. */
function streams(plugin: Plugin, count: number): number {
  let missed = 0;
  for (let left = count; left > 0; left -= 1) {
    const request = new HeaderMap("request", [
      [":method", "GET"],
      [":path", "/"],
      [":authority", "host"],
    ]);
    const response = new HeaderMap("response", [[":status", "200"]]);
    const filter = plugin.createHttpFilter();
    filter.attach(callbacks);
    filter.decodeHeaders(request, true);
    filter.encodeHeaders(response, true);
    filter.log({ requestHeaders: request, responseHeaders: response, responseTrailers: undefined });
    filter.destroy();
    if (response.get("hello") !== "soak") missed += 1;
  }
  return missed;
}

/** What there is after a number of streams. */
interface Measure {
  readonly pages: number;
  readonly contexts: number;
  readonly heap: number;
}

function measure(plugin: Plugin): Measure {
  return { pages: plugin.memoryPages(), contexts: plugin.contexts(), heap: heap() };
}

describe(`one VM, ${STREAMS} streams`, () => {
  it.for([...helloFixtures])("%s: memory flat, no error", { timeout: 600_000 }, async (name, context) => {
    const bytes = await need(context, name, () => fixture(name));
    const environment = recordingEnvironment();
    const host = new Host({ environment });
    const started = host.start(loadModule(bytes), pluginConfig({ configuration: "soak" }));
    if (!started.started) throw new Error(started.message);
    const { plugin } = started;
    let missed = streams(plugin, STREAMS / 2);
    const half = measure(plugin);
    missed += streams(plugin, STREAMS / 2);
    const end = measure(plugin);
    expect(missed).toBe(0);
    expect(end.pages).toBe(half.pages);
    expect(end.contexts).toBe(1);
    expect(end.heap - half.heap).toBeLessThan(LEAK);
    expect(environment.reports).toEqual([]);
    expect(environment.lines.filter(({ level }) => level === "error" || level === "critical")).toEqual([]);
    host.stop();
    expect(plugin.contexts()).toBe(0);
  });
});
