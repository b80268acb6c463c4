import { describe, expect, it } from "vitest";
import { HeaderMap } from "../../src/host/header-map.ts";
import { Host } from "../../src/host/host.ts";
import { loadModule } from "../../src/host/load-module.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import { need } from "../components/require-component.ts";
import { fixture, helloFixtures } from "../components/wasm-fixtures.ts";
import { RecordingCallbacks, type RecordingEnvironment, recordingEnvironment } from "../unit/host/support/recording.ts";

/** What each compiler and SDK makes of the same filter; the host must take them all. */
const SHAPES: Readonly<Record<string, object>> = {
  "c-hello": { entry: "_initialize", allocator: "proxy_on_memory_allocate", startSection: false },
  "cpp-hello": { allocator: "proxy_on_memory_allocate" },
  "rust-hello": { entry: "_initialize", allocator: "proxy_on_memory_allocate" },
  "rust-hello-unknown": { allocator: "malloc" },
  "go-hello": { entry: "_initialize", allocator: "proxy_on_memory_allocate" },
  "as-hello": { entry: undefined, allocator: "malloc", startSection: true },
};

/** Sends one stream through a fresh filter; the header it added, and its pages after many more. */
function run(bytes: Uint8Array, configuration: string, environment: RecordingEnvironment): string | undefined {
  const host = new Host({ environment });
  const started = host.start(loadModule(bytes), pluginConfig({ configuration }));
  if (!started.started) throw new Error(started.message);
  const { plugin } = started;
  let hello: string | undefined;
  for (let stream = 0; stream < 50; stream += 1) {
    const filter = plugin.createHttpFilter();
    filter.attach(new RecordingCallbacks());
    const request = new HeaderMap("request", [[":path", "/"]]);
    const response = new HeaderMap("response", [[":status", "200"]]);
    expect(filter.decodeHeaders(request, true)).toBe("continue");
    expect(filter.encodeHeaders(response, true)).toBe("continue");
    filter.log({ requestHeaders: request, responseHeaders: response, responseTrailers: undefined });
    filter.destroy();
    hello = response.get("hello");
  }
  expect(plugin.contexts()).toBe(1);
  host.stop();
  expect(plugin.contexts()).toBe(0);
  return hello;
}

describe("filters by language", () => {
  it.for(helloFixtures)("%s", async (name, context) => {
    const bytes = await need(context, name, () => fixture(name));
    expect(loadModule(bytes)).toMatchObject({ unknownImports: [], ...SHAPES[name] });
    const environment = recordingEnvironment();
    expect(run(bytes, "", environment)).toBe("world");
    const long = "long ".repeat(20_000);
    expect(run(bytes, long, environment)).toBe(long);
    expect(environment.reports).toEqual([]);
  });
});
