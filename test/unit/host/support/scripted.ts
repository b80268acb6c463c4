import { fixture, type FixtureName } from "../../../components/wasm-fixtures.ts";
import { BodyBuffer } from "../../../../src/host/body-buffer.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import { Host, type HostOptions, type Plugin } from "../../../../src/host/host.ts";
import type { HttpFilter } from "../../../../src/host/http-filter.ts";
import { loadModule, type LoadOptions } from "../../../../src/host/load-module.ts";
import { pluginConfig, type PluginSettings } from "../../../../src/host/plugin-config.ts";
import { RecordingCallbacks, type RecordingEnvironment, recordingEnvironment } from "./recording.ts";

/** The module of the scripted filter (`test/fixtures/filters/c-script`), in one of its kinds. */
export async function scriptModule(name: FixtureName = "c-script"): Promise<Uint8Array> {
  return await fixture(name);
}

/** A scripted filter that runs, and what it said since it was asked last. */
export class Scripted {
  readonly environment: RecordingEnvironment;
  readonly host: Host;
  readonly plugin: Plugin;

  constructor(module: Uint8Array, script: string, settings: ScriptedSettings = {}) {
    this.environment = recordingEnvironment(settings.environment);
    this.host = new Host({ environment: this.environment, ...settings.host });
    this.plugin = this.start(module, script, settings);
    this.said();
  }

  /** One more plugin in the same host. */
  start(module: Uint8Array, script: string, settings: ScriptedSettings = {}): Plugin {
    const config = pluginConfig({ configuration: script, ...settings.plugin });
    const started = this.host.start(loadModule(module, settings.load), config);
    if (!started.started) throw new Error(`${started.reason}: ${started.message}`);
    return started.plugin;
  }

  /** The lines of the log since the last time, without the mark of the VM. */
  said(): string[] {
    return this.environment.lines.splice(0).map((line) => line.text.replace(/^~[0-9a-f]+ +/u, ""));
  }

  stream(plugin: Plugin = this.plugin, worker = 0): ScriptedStream {
    return new ScriptedStream(plugin.createHttpFilter(worker), () => this.said());
  }
}

/** What may be chosen beside the script. */
export interface ScriptedSettings {
  readonly plugin?: PluginSettings;
  readonly host?: Omit<HostOptions, "environment">;
  readonly load?: LoadOptions;
  readonly environment?: Parameters<typeof recordingEnvironment>[0];
}

/** One stream, driven phase by phase; each phase gives the answer and what was said. */
export class ScriptedStream {
  readonly filter: HttpFilter;
  readonly callbacks: RecordingCallbacks = new RecordingCallbacks();
  readonly request: HeaderMap = new HeaderMap("request", [
    [":method", "GET"],
    [":path", "/"],
    [":authority", "a"],
  ]);
  readonly response: HeaderMap = new HeaderMap("response", [[":status", "200"]]);
  readonly #said: () => string[];

  constructor(filter: HttpFilter, said: () => string[]) {
    this.filter = filter;
    this.#said = said;
    filter.attach(this.callbacks);
  }

  requestHeaders(endStream = false): string[] {
    return [this.filter.decodeHeaders(this.request, endStream), ...this.#said()];
  }

  requestData(text: string, endStream = false): string[] {
    const data = new BodyBuffer(new TextEncoder().encode(text));
    const status = this.filter.decodeData(data, endStream);
    if (status === "stop-and-buffer") this.callbacks.addDecodedData(data);
    return [status, ...this.#said()];
  }

  requestTrailers(trailers: HeaderMap = new HeaderMap("trailers", [["t", "1"]])): string[] {
    return [this.filter.decodeTrailers(trailers), ...this.#said()];
  }

  responseHeaders(endStream = false): string[] {
    this.callbacks.hasResponse = true;
    return [this.filter.encodeHeaders(this.response, endStream), ...this.#said()];
  }

  responseData(text: string, endStream = false): string[] {
    const data = new BodyBuffer(new TextEncoder().encode(text));
    const status = this.filter.encodeData(data, endStream);
    if (status === "stop-and-buffer") this.callbacks.addEncodedData(data);
    return [status, ...this.#said()];
  }

  responseTrailers(trailers: HeaderMap = new HeaderMap("trailers", [["t", "2"]])): string[] {
    return [this.filter.encodeTrailers(trailers), ...this.#said()];
  }

  log(): string[] {
    const { request, response } = this;
    this.filter.log({ requestHeaders: request, responseHeaders: response, responseTrailers: undefined });
    return this.#said();
  }

  destroy(): string[] {
    this.filter.destroy();
    return this.#said();
  }
}
