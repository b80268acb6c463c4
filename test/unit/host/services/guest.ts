import type { HostEnvironment } from "../../../../src/host/environment.ts";
import { Host } from "../../../../src/host/host.ts";
import { loadModule } from "../../../../src/host/load-module.ts";
import { type PluginSettings, pluginConfig } from "../../../../src/host/plugin-config.ts";
import type { Plugin } from "../../../../src/host/plugin.ts";
import type { TraceEvent } from "../../../../src/host/trace.ts";
import { guestModule, type GuestProgram } from "../../../support/guest-program.ts";
import { type RecordingEnvironment, recordingEnvironment } from "../support/recording.ts";

/** A generated guest, running, and everything that crossed its border. */
export interface RunningGuest {
  readonly host: Host;
  readonly plugin: Plugin;
  readonly environment: RecordingEnvironment;
  readonly trace: TraceEvent[];
  /** The host calls so far, each as `name(arguments) = status, result`, and forgets them; without `proxy_` before. */
  readonly calls: () => string[];
  /** As {@link calls}, with the callbacks between them as `> name(arguments)`. */
  readonly all: () => string[];
}

/** Starts it as a plugin `p` with the root id `r` in a VM `vm`. */
export function runGuest(
  program: GuestProgram,
  more: Partial<HostEnvironment> = {},
  settings: PluginSettings = {},
): RunningGuest {
  const trace: TraceEvent[] = [];
  const environment = recordingEnvironment({ trace: (event) => void trace.push(event), ...more });
  const host = new Host({ environment });
  const module = loadModule(guestModule(program));
  const started = host.start(module, pluginConfig({ name: "p", rootId: "r", vmId: "vm", ...settings }));
  if (!started.started) throw new Error(`${started.reason}: ${started.message}`);
  const taken = (): string[] => trace.splice(0).flatMap(shown);
  return {
    host,
    plugin: started.plugin,
    environment,
    trace,
    all: taken,
    calls: () => taken().filter((line) => !line.startsWith(">")),
  };
}

function shown(event: TraceEvent): string[] {
  if (event.type === "return") return event.trap === undefined ? [] : [`! ${event.trap}`];
  const name = event.name.replace("proxy_", "");
  if (event.type === "callback") return event.name.startsWith("proxy_") ? [`> ${name}(${event.args.join(", ")})`] : [];
  const result = event.result === undefined ? "" : `, ${event.result === "" ? "nothing" : String(event.result)}`;
  return [`${name}(${event.args.join(", ")}) = ${event.status}${result}`];
}
