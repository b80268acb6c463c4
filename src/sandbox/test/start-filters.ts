import { pluginConfig } from "../../host/plugin-config.ts";
import type { HostModule } from "../../host/host-module.ts";
import { ModuleRefused } from "../../host/module-refused.ts";
import { checkModule } from "../../wasm/check-module.ts";
import type { CaseRun } from "./case-run.ts";
import type { ModuleExpectation } from "./model-expect.ts";
import type { PlannedFilter } from "./planned-case.ts";
import type { Place } from "./shape.ts";
import { settingsBytes } from "./values.ts";

/** `over`: it ended at the start, as it was expected to or not; `error`: the rest could not be run. */
export type Started = "started" | "over" | "error";

/** Loads and starts all filters of a case, and holds that against what is expected of it. */
export function startFilters(run: CaseRun): Started {
  for (const [place, filter] of run.planned.filters.entries()) {
    const started = startOne(run, filter, place);
    if (started !== "started") return started;
  }
  const { expect } = run.planned.test;
  const at = [...run.at, "expect"];
  if (expect?.configure === "rejected") {
    run.checks.fail([...at, "configure"], "the filter took its configuration, expected it to be rejected", {
      expected: "rejected",
      actual: "accepted",
      replacement: "accepted",
    });
    return "over";
  }
  if (typeof expect?.load === "object" || expect?.load === "refused") {
    run.checks.fail([...at, "load"], "the host took the module, expected it to be refused", {
      expected: "refused",
      actual: "accepted",
      replacement: "accepted",
    });
    return "over";
  }
  return "started";
}

function startOne(run: CaseRun, filter: PlannedFilter, place: number): Started {
  const { planned, setting, checks } = run;
  const { expect } = planned.test;
  const at = [...run.at, "expect"];
  let module: HostModule;
  try {
    module = setting.modules.load(filter.module, planned.profile);
  } catch (error) {
    if (!(error instanceof ModuleRefused)) throw error;
    if (expect?.load === "refused") return finish(run, at);
    if (typeof expect?.load === "object") {
      checks.value([...at, "load", "refused"], "the refusal", expect.load.refused, error.message);
      return finish(run, at);
    }
    checks.fail(run.at, `the host refuses the module: ${error.message}`);
    return "error";
  }
  if (place === 0 && expect?.module !== undefined) checkModuleFacts(run, expect.module, [...at, "module"], module);
  const { settings } = filter;
  const config = pluginConfig({
    name: settings.name ?? (planned.filters.length === 1 ? "filter" : `filter${place + 1}`),
    rootId: settings.rootId ?? filter.rootId,
    configuration: settingsBytes(settings.config, run.readBytes),
    vmId: settings.vmId,
    vmConfiguration: settingsBytes(settings.vmConfig, run.readBytes),
    environment: new Map(Object.entries(settings.env ?? {}).map(([name, value]) => [name, String(value)])),
    allowedCapabilities: settings.capabilities === undefined ? undefined : new Set(settings.capabilities),
    failurePolicy: settings.failurePolicy,
    allowOnHeadersStopIteration: settings.allowOnHeadersStopIteration,
  });
  const refused = run.session.start(module, config);
  run.session.settle();
  if (refused === undefined) return "started";
  const { reason, message } = refused;
  if (expect?.configure === "rejected" && (reason === "configure" || reason === "vm-start")) return finish(run, at);
  const words = reason === "configure" || reason === "vm-start" ? "rejects its configuration" : "does not start";
  checks.fail(run.at, `the filter ${words}: ${message}${knownTrap(run, filter, config.configuration)}`);
  return "error";
}

/** The start was expected to fail, and did: the rest of what is expected can still be looked at. */
function finish(run: CaseRun, at: Place): Started {
  const { expect } = run.planned.test;
  if (expect !== undefined) run.check(expect, at, { exchange: undefined, before: { logs: 0, reports: 0 } });
  return "over";
}

/** One SDK cannot do without a configuration; its trap does not say so. */
function knownTrap(run: CaseRun, filter: PlannedFilter, configuration: Uint8Array): string {
  const config = Buffer.from(configuration).toString("latin1");
  const { warnings } = checkModule(run.setting.modules.bytes(filter.module), { config });
  const found = warnings.find(({ code }) => code === "MODULE_NEEDS_CONFIG");
  return found === undefined ? "" : ` (the module ${found.message}: give the filter a config)`;
}

function checkModuleFacts(run: CaseRun, expect: ModuleExpectation, at: Place, module: HostModule): void {
  const { checks } = run;
  const { abi, imports, importsAbsent, callbacks, maxBytes } = expect;
  if (abi !== undefined) checks.value([...at, "abi"], "ABI version", abi, module.abi);
  const imported = new Set(module.imports.flatMap((name) => [name, name.slice(name.indexOf(".") + 1)]));
  for (const [place, name] of (imports ?? []).entries()) {
    if (!imported.has(name)) checks.fail([...at, "imports", place], `the module does not import ${name}`);
  }
  for (const [place, name] of (importsAbsent ?? []).entries()) {
    if (imported.has(name)) checks.fail([...at, "importsAbsent", place], `the module imports ${name}`);
  }
  for (const [place, name] of (callbacks ?? []).entries()) {
    if (!module.callbacks.includes(name)) {
      checks.fail([...at, "callbacks", place], `the module does not export ${name}`);
    }
  }
  if (maxBytes !== undefined && module.size > maxBytes) {
    const message = `the module has ${module.size} bytes, expected at most ${maxBytes}`;
    checks.fail([...at, "maxBytes"], message, { expected: `at most ${maxBytes}`, actual: String(module.size) });
  }
}
