import type { PruneStoreResult } from "../../../images/prune-store.ts";
import type { CommandSpec } from "../../command-spec.ts";
import { duration, flag } from "../../options/read.ts";
import { openStoreFor, storeOptions } from "../../options/store.ts";
import { versioned } from "../../outcome.ts";
import { formatSize } from "../../render/size.ts";

/** `wasme store prune`. */
export const storePrune: CommandSpec = {
  name: "store prune",
  summary: "Remove content no image needs",
  description:
    "Remove blobs of the local store that no image needs any more, and files that interrupted commands left behind. " +
    "What is younger than the grace stays: a command that runs now may be about to name it.",
  examples: [
    { command: "wasme store prune", does: "free what removed and replaced images held" },
    { command: "wasme store prune --dry-run", does: "only tell what would go" },
    { command: "wasme store prune --grace 0", does: "at once, when no other wasme runs" },
  ],
  arguments: [],
  options: [
    { flags: "--dry-run", description: "remove nothing, write nothing" },
    { flags: "--grace <duration>", description: "keep what is younger than this", default: "1h" },
    ...storeOptions,
  ],
  async run(context, { options }) {
    const request = { graceMs: duration(options, "grace", "1h"), dryRun: flag(options, "dryRun") };
    const { pruneStore } = await import("../../../images/prune-store.ts");
    const store = await openStoreFor(context, options);
    const result = await pruneStore({ store, signal: context.signal }, request);
    return {
      json: versioned("StorePruneResult", result),
      names: result.removed,
      text: () => describe(result),
    };
  },
};

function describe({ dryRun, removed, unfinishedFiles, freedBytes, young }: PruneStoreResult): string {
  const verb = dryRun ? "Would remove" : "Removed";
  const kept = young.files === 0 ? [] : [`Kept ${formatSize(young.bytes)} younger than --grace that no image needs`];
  if (removed.length + unfinishedFiles === 0) return ["Nothing to remove", ...kept].join("\n");
  return [
    ...removed.map((digest) => `${verb} ${digest}`),
    ...(unfinishedFiles === 0 ? [] : [`${verb} ${unfinishedFiles} unfinished file${unfinishedFiles === 1 ? "" : "s"}`]),
    `${dryRun ? "Would free" : "Freed"} ${formatSize(freedBytes)}`,
    ...kept,
  ].join("\n");
}
