import type { HostModule } from "../../host/host-module.ts";
import { ModuleRefused } from "../../host/module-refused.ts";
import type { PluginConfig } from "../../host/plugin-config.ts";
import type { CaseWorld } from "./case-world.ts";
import { checkModuleFacts } from "./check-module-facts.ts";
import { filterConfig } from "./filter-config.ts";
import type { PlannedFilter } from "./planned-case.ts";

/** `over`: it ended at the start, as it was expected to or not; `error`: the rest could not be run. */
export type Started = "started" | "over" | "error";

/** Loads and starts all filters of a case, and holds that against what is expected of it. */
export async function startFilters(world: CaseWorld): Promise<Started> {
  for (const [place, filter] of world.planned.filters.entries()) {
    const module = load(world, filter);
    if (typeof module === "string") return module;
    const facts = world.planned.test.expect?.module;
    if (place === 0 && facts !== undefined) {
      checkModuleFacts(world.checks, facts, [...world.at, "expect", "module"], module);
    }
    const started = await start(world, filter, module, place);
    if (started !== "started") return started;
  }
  return checkStarted(world);
}

/** Everything started; something was perhaps expected not to. */
function checkStarted({ planned, checks, at }: CaseWorld): Started {
  const { configure, load: loads } = planned.test.expect ?? {};
  const facts = { actual: "accepted", replacement: "accepted" };
  if (configure === "rejected") {
    const message = "the filter took its configuration, expected it to be rejected";
    checks.fail([...at, "expect", "configure"], message, { expected: "rejected", ...facts });
    return "over";
  }
  if (loads === undefined || loads === "accepted") return "started";
  const message = "the host took the module, expected it to be refused";
  checks.fail([...at, "expect", "load"], message, { expected: "refused", ...facts });
  return "over";
}

function load(world: CaseWorld, filter: PlannedFilter): HostModule | Exclude<Started, "started"> {
  const { planned, setting, checks } = world;
  try {
    return setting.modules.load(filter.module, planned.profile);
  } catch (error) {
    if (!(error instanceof ModuleRefused)) throw error;
    const loads = planned.test.expect?.load;
    if (loads === undefined || loads === "accepted") {
      checks.fail(world.at, `the host refuses the module: ${error.message}`);
      return "error";
    }
    if (typeof loads === "object") {
      checks.value([...world.at, "expect", "load", "refused"], "the refusal", loads.refused, error.message);
    }
    return finish(world);
  }
}

async function start(world: CaseWorld, filter: PlannedFilter, module: HostModule, place: number): Promise<Started> {
  const alone = world.planned.filters.length === 1;
  const config = filterConfig(filter, { readBytes: world.readBytes, name: alone ? "filter" : `filter${place + 1}` });
  const refused = world.session.start(module, config);
  world.session.settle();
  if (refused === undefined) return "started";
  const { reason, message } = refused;
  const byFilter = reason === "configure" || reason === "vm-start";
  if (byFilter && world.planned.test.expect?.configure === "rejected") return finish(world);
  const words = byFilter ? "rejects its configuration" : "does not start";
  const why = await likelyReason(world, filter, { reason, config });
  world.checks.fail(world.at, `the filter ${words}: ${message}${why}`);
  return "error";
}

/** The start was expected to fail, and did: the rest of what is expected can still be looked at. */
function finish(world: CaseWorld): "over" {
  const { expect } = world.planned.test;
  if (expect !== undefined) world.check(expect, [...world.at, "expect"], undefined, { logs: 0, reports: 0 });
  return "over";
}

/** What a trap at the start does not say itself: a root id nobody gave, or an SDK that cannot do without a configuration. */
async function likelyReason(
  { setting }: CaseWorld,
  { module }: PlannedFilter,
  { reason, config }: { readonly reason: string; readonly config: PluginConfig },
): Promise<string> {
  if (reason === "root-context" && config.rootId === "") return " (no rootId is given, and the filter may want one)";
  if (reason !== "configure") return "";
  const { checkModule } = await import("../../wasm/check-module.ts");
  const text = Buffer.from(config.configuration).toString("latin1");
  const { warnings } = checkModule(setting.modules.bytes(module), { config: text });
  const found = warnings.find(({ code }) => code === "MODULE_NEEDS_CONFIG");
  return found === undefined ? "" : ` (the module ${found.message}: give the filter a config)`;
}
