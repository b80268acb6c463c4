import { Host } from "../host/host.ts";
import type { HostModule } from "../host/host-module.ts";
import { loadModule } from "../host/load-module.ts";
import { ModuleRefused } from "../host/module-refused.ts";
import { pluginConfig } from "../host/plugin-config.ts";
import { runRequests } from "./smoke-http.ts";
import { SmokeRecorder } from "./smoke-recorder.ts";
import type { SmokeRequest, SmokeResult, SmokeStream } from "./smoke-result.ts";
import { runConnection } from "./smoke-tcp.ts";
import { type SmokeStage, SmokeWorld } from "./smoke-world.ts";

/** What the thread adds: a heartbeat to be watched by, and somewhere to say what comes next. */
export interface SmokeWatch {
  readonly heartbeat?: Int32Array;
  readonly onCallback: (name: string) => void;
}

/** The part of a {@link SmokeResult} that is known where the guest runs. */
export type SmokeRun = Omit<SmokeResult, "durationMs">;

/**
 * Loads and configures a filter in the embedded host and sends two streams through it: a GET without a body, and a POST
 * whose body comes in pieces and whose answer has a body; or opens a connection, when it is a filter for TCP. The upstream
 * is imagined, callouts are answered with an empty 200, time moves on only from timer to timer. Synchronous: a filter that
 * loops blocks it.
 */
export function runSmoke(request: SmokeRequest, watch: SmokeWatch): SmokeRun {
  const { tcp = "never" } = request;
  if (tcp === "only") return attempt(request, watch, runConnection);
  const requests = attempt(request, watch, runRequests);
  if (tcp === "never" || !trapped(requests)) return requests;
  const connection = attempt(request, watch, runConnection);
  return trapped(connection) ? requests : connection;
}

function trapped({ reports }: SmokeRun): boolean {
  return reports.some(({ code }) => code === "trap");
}

function attempt(
  request: SmokeRequest,
  watch: SmokeWatch,
  run: (stage: SmokeStage) => readonly SmokeStream[],
): SmokeRun {
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
  const streams = run({ host, plugin, world });
  const memoryPages = plugin.memoryPages();
  host.stop();
  return { outcome: "ran", streams, memoryPages, ...recorder.seen(module.imports) };
}
