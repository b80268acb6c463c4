import { BodyBuffer } from "../../src/host/body-buffer.ts";
import type { CalloutPort, GrpcCallout, HttpCallout } from "../../src/host/callout.ts";
import type { ForeignFunctions } from "../../src/host/foreign.ts";
import { latin1Bytes } from "../../src/host/guest-memory.ts";
import { HeaderMap } from "../../src/host/header-map.ts";
import { Host } from "../../src/host/host.ts";
import { loadModule } from "../../src/host/load-module.ts";
import { pluginConfig } from "../../src/host/plugin-config.ts";
import type { Plugin } from "../../src/host/plugin.ts";
import type { NetworkFilterCallbacks } from "../../src/host/network-filter.ts";
import { newStreamInfo } from "../../src/host/stream-info.ts";
import type { TraceEvent } from "../../src/host/trace.ts";
import { nodeForeignFunctions } from "../../src/isolate/foreign-functions.ts";
import { RecordingCallbacks, type RecordingEnvironment, recordingEnvironment } from "../unit/host/support/recording.ts";

/** What a drive leaves behind. */
export interface Drive {
  readonly events: readonly TraceEvent[];
  readonly environment: RecordingEnvironment;
  /** Why the guest did not start. */
  readonly refused: string | undefined;
}

/** How to drive. */
export interface DriveOptions {
  /** Without it the guest's own imports are called, with nothing of ours between. Default true. */
  readonly trace?: boolean;
  readonly foreign?: ForeignFunctions;
}

/** Runs a guest through everything a host does: streams, connections, ticks, answers of all kinds, and the end. */
export function driveGuest(bytes: Uint8Array, options: DriveOptions = {}): Drive {
  const events: TraceEvent[] = [];
  const port = new Port();
  const environment = recordingEnvironment({
    callouts: port,
    foreign: options.foreign ?? nodeForeignFunctions(),
    ...(options.trace === false ? {} : { trace: (event) => void events.push(event) }),
  });
  const host = new Host({ environment });
  const config = pluginConfig({
    name: "p",
    rootId: "r",
    vmId: "vm",
    configuration: "config",
    vmConfiguration: "vm config",
  });
  const started = host.start(loadModule(bytes, { stubUnknown: true }), config);
  if (!started.started) return { events, environment, refused: started.message };
  const { plugin } = started;
  for (let round = 0; round < 2; round += 1) {
    drivePlugin(plugin);
    plugin.tick();
    plugin.callForeignFunction(1, latin1Bytes("arguments"));
    port.answerAll();
    environment.clock.at += 2_000_000_000n;
    for (let turns = 0; turns < 3; turns += 1) {
      const count = host.settle();
      port.answerAll();
      if (count === 0 || count > ENOUGH) break;
    }
  }
  host.stop();
  port.answerAll();
  host.settle();
  return { events, environment, refused: undefined };
}

function drivePlugin(plugin: Plugin): void {
  const other = openStream(plugin);
  const one = openStream(plugin);
  finishStream(one);
  driveConnection(plugin);
  finishStream(other);
}

interface OpenStream {
  readonly filter: ReturnType<Plugin["createHttpFilter"]>;
  readonly callbacks: RecordingCallbacks;
  readonly request: HeaderMap;
}

function openStream(plugin: Plugin): OpenStream {
  const filter = plugin.createHttpFilter();
  const callbacks = new RecordingCallbacks();
  const request = new HeaderMap("request", [
    [":method", "POST"],
    [":path", "/a?b"],
    [":authority", "host"],
    ["cookie", "a"],
    ["cookie", "b"],
  ]);
  filter.attach(callbacks);
  filter.decodeHeaders(request, false);
  filter.decodeMetadata(new HeaderMap("request", [["meta", "data"]]));
  filter.decodeData(new BodyBuffer(latin1Bytes("abc")), false);
  filter.decodeData(new BodyBuffer(latin1Bytes("def")), true);
  return { filter, callbacks, request };
}

function finishStream({ filter, callbacks, request }: OpenStream): void {
  const response = new HeaderMap("response", [[":status", "200"]]);
  const trailers = new HeaderMap("trailers", [["t", "1"]]);
  filter.decodeTrailers(new HeaderMap("trailers", [["last", "one"]]));
  callbacks.hasResponse = true;
  filter.encodeHeaders(response, false);
  filter.encodeMetadata(new HeaderMap("response"));
  filter.encodeData(new BodyBuffer(latin1Bytes("answer")), false);
  filter.encodeTrailers(trailers);
  filter.log({ requestHeaders: request, responseHeaders: response, responseTrailers: trailers });
  filter.destroy();
}

function driveConnection(plugin: Plugin): void {
  const filter = plugin.createNetworkFilter();
  const callbacks: NetworkFilterCallbacks = {
    info: newStreamInfo(0n),
    continueReading: () => undefined,
    continueWriting: () => undefined,
    close: () => undefined,
    report: () => undefined,
  };
  filter.attach(callbacks);
  filter.onNewConnection();
  filter.onDownstreamData(new BodyBuffer(latin1Bytes("ping")), false);
  filter.onUpstreamData(new BodyBuffer(latin1Bytes("pong")), true);
  filter.onUpstreamClose("remote");
  filter.onDownstreamClose("local");
  filter.destroy();
}

/** Sends nothing anywhere; answers, fails and cuts short in turn. */
class Port implements CalloutPort {
  #http: HttpCallout[] = [];
  #grpc: GrpcCallout[] = [];
  #turn = 0;

  http(callout: HttpCallout): "sent" | "unknown-cluster" | "no-endpoint" {
    if (callout.cluster === "nobody") return "unknown-cluster";
    if (callout.cluster === "empty") return "no-endpoint";
    this.#http.push(callout);
    return "sent";
  }

  grpc(callout: GrpcCallout): ReturnType<NonNullable<CalloutPort["grpc"]>> {
    if (callout.cluster === "nobody") return "unknown-cluster";
    if (callout.cluster === "q") return "no-endpoint";
    this.#grpc.push(callout);
    return { send: () => undefined, close: () => undefined, cancel: () => undefined };
  }

  answerAll(): void {
    const [http, grpc] = [this.#http, this.#grpc];
    this.#http = [];
    this.#grpc = [];
    for (const callout of http) this.#answer(callout);
    for (const callout of grpc) this.#end(callout);
  }

  #answer(callout: HttpCallout): void {
    this.#turn += 1;
    if (this.#turn % 3 === 0) callout.fail("cut-short");
    else if (this.#turn % 3 === 1) callout.fail("refused");
    else {
      const headers = new HeaderMap("response", [[":status", "200"]]);
      callout.answer({ headers, body: latin1Bytes("body"), trailers: new HeaderMap("trailers", [["t", "1"]]) });
    }
  }

  #end(callout: GrpcCallout): void {
    this.#turn += 1;
    if (this.#turn % 3 === 0) callout.fail("timeout");
    callout.initialMetadataReceived(new HeaderMap("response", [["i", "1"]]));
    callout.received(latin1Bytes("message"));
    if (this.#turn % 3 === 1) callout.fail("cut-short");
    callout.trailingMetadataReceived(new HeaderMap("trailers", [["t", "1"]]));
    callout.closed(0, "");
  }
}

/** A guest that wakes itself again and again is left alone after so many callbacks. */
const ENOUGH = 500;
