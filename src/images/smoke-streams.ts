import type { HttpCallout } from "../host/callout.ts";
import type { HostClock, HostEnvironment } from "../host/environment.ts";
import { HttpExchange } from "../host/exchange/http-exchange.ts";
import { HeaderMap } from "../host/header-map.ts";
import { Host } from "../host/host.ts";
import { loadModule } from "../host/load-module.ts";
import type { HostModule } from "../host/host-module.ts";
import { ModuleRefused } from "../host/module-refused.ts";
import { pluginConfig } from "../host/plugin-config.ts";
import type { Plugin } from "../host/plugin.ts";
import { SmokeRecorder } from "./smoke-recorder.ts";
import type { SmokeRequest, SmokeResult, SmokeStream } from "./smoke-result.ts";

/** What the thread adds: a heartbeat to be watched by, and somewhere to say what comes next. */
export interface SmokeWatch {
  readonly heartbeat?: Int32Array;
  readonly onCallback: (name: string) => void;
}

/** The part of a {@link SmokeResult} that is known where the guest runs. */
export type SmokeRun = Omit<SmokeResult, "durationMs">;

/**
 * Loads and configures a filter in the embedded host and sends two streams through it: a GET without a body, and a POST
 * whose body comes in pieces and whose answer has a body. The upstream is imagined, callouts are answered with an empty
 * 200, time moves on only from timer to timer. Synchronous: a filter that loops blocks it.
 */
export function runSmoke(request: SmokeRequest, watch: SmokeWatch): SmokeRun {
  const recorder = new SmokeRecorder(watch.onCallback);
  const world = new SmokeWorld(recorder, watch.heartbeat);
  const { profile = "envoy" } = request;
  const nothing = { streams: [], memoryPages: 0 };
  let module: HostModule;
  try {
    module = loadModule(request.module, { profile });
  } catch (error) {
    if (!(error instanceof ModuleRefused)) throw error;
    return { outcome: "refused", failure: { step: "load", message: error.message }, ...nothing, ...recorder.seen([]) };
  }
  const host = new Host({ environment: world.environment, profile });
  const started = host.start(
    module,
    pluginConfig({ rootId: request.rootId, configuration: request.config, vmConfiguration: request.vmConfig }),
  );
  if (!started.started) {
    const failure = { step: started.reason, message: started.message };
    return { outcome: "refused", failure, ...nothing, ...recorder.seen(module.imports) };
  }
  const { plugin } = started;
  const streams = STREAMS.map((plan) => runStream(plan, { host, plugin, world }));
  const memoryPages = plugin.memoryPages();
  host.stop();
  return { outcome: "ran", streams, memoryPages, ...recorder.seen(module.imports) };
}

/** What lies around the filter. Time stands still until it is moved. */
class SmokeWorld {
  readonly environment: HostEnvironment;
  readonly clock: HostClock;
  readonly #callouts: HttpCallout[] = [];
  // Go's run time takes a clock that says 0 for broken.
  #now = 3_600_000_000_000n;

  constructor(recorder: SmokeRecorder, heartbeat: Int32Array | undefined) {
    const start = BigInt(Date.now()) * 1_000_000n;
    this.clock = { now: () => start + this.#now, monotonic: () => this.#now };
    this.environment = {
      clock: this.clock,
      random,
      log: (entry) => recorder.log(entry),
      report: (report) => recorder.report(report),
      trace: (event) => recorder.trace(event),
      callouts: {
        http: (call) => {
          this.#callouts.push(call);
          return "sent";
        },
      },
      ...(heartbeat === undefined ? {} : { heartbeat }),
    };
  }

  /** Answers callouts and lets timers fire, one after the other, until `done` or nothing is left to happen. */
  turn(host: Host, done: () => boolean): void {
    for (let rounds = 0; rounds < MAX_ROUNDS && !done(); rounds += 1) {
      const call = this.#callouts.shift();
      const due = host.nextDue();
      if (call !== undefined) {
        const headers = new HeaderMap("response", [[":status", "200"]]);
        call.answer({ headers, body: new Uint8Array(0), trailers: undefined });
      } else if (due === undefined) {
        host.settle();
        return;
      } else if (due > this.#now) this.#now = due;
      host.settle();
    }
  }
}

/** Bytes that look random and are the same every time. */
function random(target: Uint8Array): void {
  for (let at = 0; at < target.length; at += 1) target[at] = (at * 151 + 89) & 0xff;
}

/** What is sent and what comes back. */
interface StreamPlan {
  readonly name: string;
  readonly request: readonly (readonly [string, string])[];
  readonly requestBody: readonly string[];
  readonly response: readonly (readonly [string, string])[];
  readonly responseBody: readonly string[];
}

function runStream(
  plan: StreamPlan,
  { host, plugin, world }: { readonly host: Host; readonly plugin: Plugin; readonly world: SmokeWorld },
): SmokeStream {
  const seen = { status: 0, broken: false, requests: 0, complete: false };
  const finish = (endStream: boolean): void => {
    if (endStream) seen.complete = true;
  };
  const exchange = new HttpExchange({
    filters: [plugin],
    clock: world.clock,
    random,
    route: { name: "default", cluster: "upstream" },
    report: (report) => world.environment.report?.(report),
    info: { protocol: "HTTP/1.1", source: ADDRESS, destination: ADDRESS, connectionId: 1n },
    upstream: {
      headers: (_headers, endStream) => {
        seen.requests += 1;
        finish(endStream);
      },
      data: (_bytes, endStream) => finish(endStream),
      trailers: () => finish(true),
      reset: () => undefined,
      pause: () => undefined,
    },
    downstream: {
      headers: (headers) => {
        seen.status = Number(headers.get(":status") ?? 0);
      },
      data: () => undefined,
      trailers: () => undefined,
      reset: () => {
        seen.broken = true;
      },
      pause: () => undefined,
    },
  });
  exchange.requestHeaders(new HeaderMap("request", plan.request), plan.requestBody.length === 0);
  for (const piece of plan.requestBody) exchange.requestData(encode(piece), false);
  if (plan.requestBody.length > 0) exchange.requestData(encode(""), true);
  world.turn(host, () => exchange.ended || seen.complete);
  if (seen.complete && !exchange.ended) {
    exchange.responseHeaders(new HeaderMap("response", plan.response), plan.responseBody.length === 0);
    for (const piece of plan.responseBody) exchange.responseData(encode(piece), false);
    if (plan.responseBody.length > 0) exchange.responseData(encode(""), true);
    world.turn(host, () => exchange.ended);
  }
  const { ended, pausedIn } = exchange;
  if (!ended) exchange.downstreamReset();
  world.turn(host, () => false);
  const status = seen.status === 0 ? {} : { status: seen.status };
  return { name: plan.name, ...status, ended: ended && !seen.broken, pausedIn, upstreamRequests: seen.requests };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const ADDRESS = { address: "127.0.0.1", port: 8080 };
/** Callouts and timers that may come one after another before a stream counts as forgotten. */
const MAX_ROUNDS = 20;

const COMMON: StreamPlan["request"] = [
  [":scheme", "http"],
  [":authority", "example.com"],
  ["user-agent", "wasme"],
  ["accept", "*/*"],
  ["x-forwarded-proto", "http"],
];
const PIECES = ['{"hello":', '"world"}'];
const LENGTH = String(PIECES.join("").length);
const JSON_BODY: StreamPlan["request"] = [
  ["content-type", "application/json"],
  ["content-length", LENGTH],
];

const STREAMS: readonly StreamPlan[] = [
  {
    name: "GET without a body",
    request: [[":method", "GET"], [":path", "/"], ...COMMON],
    requestBody: [],
    response: [[":status", "204"]],
    responseBody: [],
  },
  {
    name: "POST with a body in pieces",
    request: [[":method", "POST"], [":path", "/things?color=blue"], ...COMMON, ...JSON_BODY],
    requestBody: PIECES,
    response: [[":status", "200"], ...JSON_BODY],
    responseBody: PIECES,
  },
];
