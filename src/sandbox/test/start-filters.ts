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
  let refusals = "";
  for (const [place, filter] of world.planned.filters.entries()) {
    const module = load(world, filter);
    if (typeof module === "string") return module;
    const facts = world.planned.test.expect?.module;
    if (place === 0 && facts !== undefined) {
      checkModuleFacts(world.checks, facts, [...world.at, "expect", "module"], module);
    }
    const settings = {
      readBytes: world.readBytes,
      name: world.planned.filters.length === 1 ? "filter" : `filter${place + 1}`,
    };
    const config = filterConfig(filter, settings);
    const refusal = await schemaRefusal(filter, config);
    const started = await start(world, filter, { module, config, refusal });
    if (started !== "started") return started;
    refusals ||= refusal;
  }
  return checkStarted(world, refusals);
}

/** What the schema says against a configuration; empty when it fits, or nothing can be said. */
async function schemaRefusal({ schema }: PlannedFilter, { configuration }: PluginConfig): Promise<string> {
  if (schema === undefined) return "";
  const { configViolations } = await import("../../images/config-violations.ts");
  const violations = await configViolations(schema, new TextDecoder().decode(configuration));
  return violations?.join("; ") ?? "";
}

/** Everything started; something was perhaps expected not to, or should not have by its schema. */
function checkStarted({ planned, checks, at }: CaseWorld, refusal: string): Started {
  const { configure, load: loads } = planned.test.expect ?? {};
  const facts = { actual: "accepted", replacement: "accepted" };
  if (configure === "rejected") {
    const schema = refusal === "" ? "" : `, as its schema does (${refusal})`;
    const message = `the filter took its configuration, expected it to be rejected${schema}`;
    checks.fail([...at, "expect", "configure"], message, { expected: "rejected", ...facts });
    return "over";
  }
  if (refusal !== "") {
    checks.fail(at, `config.schema.json refuses the configuration that the filter takes: ${refusal}`);
    return "started";
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

interface ReadyFilter {
  readonly module: HostModule;
  readonly config: PluginConfig;
  /** By the schema. */
  readonly refusal: string;
}

async function start(world: CaseWorld, filter: PlannedFilter, ready: ReadyFilter): Promise<Started> {
  const { module, config, refusal } = ready;
  const refused = world.session.start(module, config);
  world.session.settle();
  if (refused === undefined) return "started";
  const { reason, message } = refused;
  const byFilter = reason === "configure" || reason === "vm-start";
  if (byFilter && world.planned.test.expect?.configure === "rejected") return finish(world);
  const words = byFilter ? "rejects its configuration" : "does not start";
  const why = await likelyReason(world, filter, { reason, config });
  const schema = refusal === "" ? "" : `; its schema refuses it, too: ${refusal}`;
  world.checks.fail(world.at, `the filter ${words}: ${message}${why}${schema}`);
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
