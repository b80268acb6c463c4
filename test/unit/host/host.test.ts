import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { HeaderMap } from "../../../src/host/header-map.ts";
import { Host } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { RecordingCallbacks, recordingEnvironment } from "./support/recording.ts";

const hello = await readFile(new URL("../../fixtures/filters/c-hello/filter.wasm", import.meta.url));

describe("Host", () => {
  it("runs one stream through the C filter", () => {
    const host = new Host({ environment: recordingEnvironment() });
    const started = host.start(loadModule(hello), pluginConfig({ configuration: "Grüße" }));
    if (!started.started) throw new Error(started.message);
    const { plugin } = started;
    const filter = plugin.createHttpFilter();
    filter.attach(new RecordingCallbacks());
    const request = new HeaderMap("request", [[":path", "/"]]);
    const response = new HeaderMap("response", [[":status", "200"]]);
    expect(filter.decodeHeaders(request, true)).toBe("continue");
    expect(filter.encodeHeaders(response, true)).toBe("continue");
    expect(response.get("hello")).toBe("GrÃ¼Ã\u009fe");
    expect(plugin.contexts()).toBe(2);
    filter.log({ requestHeaders: request, responseHeaders: response, responseTrailers: undefined });
    filter.destroy();
    expect(plugin.contexts()).toBe(1);
    host.stop();
    expect(plugin.contexts()).toBe(0);
  });
});
