import type { CommandSpec } from "../../command-spec.ts";
import {
  cachePlaceOptions,
  deployDeps,
  dryRunOption,
  legacyIstioOptions,
  readCachePlace,
  readDryRun,
  timeoutOptions,
} from "../../options/deploy.ts";
import { usageError } from "../../../domain/errors.ts";
import { duration, notDenied, text } from "../../options/read.ts";
import { clusterOptions, readWorkloads, workloadOptions } from "../../options/workload.ts";
import { versioned } from "../../outcome.ts";
import { outcomeJson, outcomeLines } from "../../render/result/outcomes.ts";

/** `wasme undeploy istio --id ID`. */
export const undeployIstio: CommandSpec = {
  name: "undeploy istio",
  summary: "Remove a filter from workloads in an Istio mesh",
  description:
    "Remove what deploying this id made, and nothing else: volumes stay while another filter needs them, and your own " +
    "annotations come back as they were.",
  examples: [
    { command: "wasme undeploy istio --id hello -n shop -l app=web", does: "take the filter back" },
    { command: "wasme undeploy istio --id hello -n shop --dry-run=server", does: "show what would be removed" },
  ],
  arguments: [],
  options: [
    { flags: "--id <id>", description: "name the filter was deployed under", required: true },
    {
      ...dryRunOption,
      description: "server: try every write and show the difference; changes nothing",
      complete: ["server"],
    },
    ...timeoutOptions,
    ...workloadOptions,
    ...clusterOptions,
    ...cachePlaceOptions,
    ...legacyIstioOptions,
    { flags: "--config <text>", description: "accepted, not needed", hidden: true },
    { flags: "--root-id <id>", description: "accepted, not needed", hidden: true },
    { flags: "--patch-context <context>", description: "accepted, not needed", hidden: true },
    { flags: "--cache-timeout <duration>", description: "accepted, not needed", hidden: true },
  ],
  async run(context, input) {
    const { options } = input;
    const dryRun = readDryRun(options);
    if (dryRun === "client") {
      throw usageError("DRY_RUN_INVALID", "undeploy cannot know what is there without asking the cluster", {
        hint: "use --dry-run=server",
      });
    }
    const { undeployIstio: use } = await import("../../../deploy/undeploy-istio.ts");
    const request = {
      id: text(options, "id") ?? "",
      workloads: readWorkloads(options),
      dryRun,
      wait: notDenied(options, "wait"),
      timeoutMs: duration(options, "timeout", "5m"),
      cache: readCachePlace(options),
    };
    const result = await use(deployDeps(context, options), request, context.events);
    return {
      json: versioned("UndeployResult", { ...result, outcomes: outcomeJson(result.outcomes) }),
      names: result.outcomes.map(({ ref }) => `${ref.kind.kind.toLowerCase()}/${ref.name}`),
      text: (style) => (dryRun === "server" ? result.diff : outcomeLines(result.outcomes, style)),
    };
  },
};
