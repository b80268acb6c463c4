import { Host } from "../../../host/host.ts";
import type { HostModule } from "../../../host/host-module.ts";
import { pluginConfig } from "../../../host/plugin-config.ts";
import type { CaseResult, Failure } from "../case-result.ts";
import { type Checked, GoogleCase } from "./google-case.ts";
import type { FileReader } from "./match-text.ts";
import { Recorder } from "./recorder.ts";
import type { GoogleEnv, GoogleTest } from "./runner-schema.ts";

/** One test and all it needs. */
export interface GoogleCaseRequest {
  readonly module: HostModule;
  readonly configuration: Uint8Array;
  readonly env: GoogleEnv | undefined;
  readonly test: GoogleTest;
  /** Its place in the file, from 0. */
  readonly index: number;
  /** Files the test names, as it names them. */
  readonly readFile: FileReader;
  readonly heartbeat?: Int32Array;
}

/** What a case gives, but where it stands and how long it took. */
export type GoogleCaseOutcome = Pick<CaseResult, "failures" | "logs" | "reports" | "trace">;

/**
 * Runs a test of Google's tester in a VM of its own: plugin start, stream, phases, stream end, plugin end, each checked as
 * the tester does. Never throws for what a filter does.
 */
export function runGoogleCase(request: GoogleCaseRequest): GoogleCaseOutcome {
  const { env, test, index } = request;
  const recorder = new Recorder(request.heartbeat, env?.timeSecs);
  const level = env?.logLevel === undefined || env.logLevel === "UNDEFINED" ? "INFO" : env.logLevel;
  const logLevel = level.toLowerCase() as Lowercase<typeof level>;
  const host = new Host({ environment: recorder.environment, profile: "google-tester", logLevel });
  const started = host.start(request.module, pluginConfig({ name: "test", configuration: request.configuration }));
  const path = `test[${index}]`;
  const failures = started.started
    ? drive(new GoogleCase({ plugin: started.plugin, test, path, recorder, readFile: request.readFile }))
    : [{ path, message: `the plugin did not start (${started.reason}): ${started.message}`, ...NEITHER }];
  if (started.started && !started.plugin.failed) {
    host.stop();
    if (started.plugin.failed) failures.push({ path, message: "the filter failed when it was shut down", ...NEITHER });
  }
  const { logs, reports, trace } = recorder;
  return { failures, logs, reports, trace: failures.length === 0 ? [] : trace };
}

const NEITHER = { expected: undefined, actual: undefined };

function drive(run: GoogleCase): Failure[] {
  const failures: Failure[] = [];
  for (const step of run.steps()) {
    const checked: Checked = step();
    failures.push(...checked.failures);
    if (checked.ended) break;
  }
  return failures;
}
