import { DELIVERIES } from "../../../domain/delivery.ts";
import { FILTER_PHASES, PATCH_CONTEXTS, DEFAULT_PRIORITY } from "../../../domain/filter.ts";
import { usageError } from "../../../domain/errors.ts";
import { formatReference, parseImageReference } from "../../../domain/image-reference.ts";
import type { DeployResult } from "../../../deploy/deploy-istio.ts";
import { argument, type CommandSpec } from "../../command-spec.ts";
import {
  cacheOptions,
  deployDeps,
  dryRunOption,
  legacyIstioOptions,
  placementOptions,
  readCache,
  readDryRun,
  readPullSecret,
  timeoutOptions,
} from "../../options/deploy.ts";
import { filterOptions, readFilter } from "../../options/filter.ts";
import { choice, duration, flag, integer, list, notDenied, text } from "../../options/read.ts";
import { registryOptions } from "../../options/registry.ts";
import { storeOptions } from "../../options/store.ts";
import { clusterOptions, readWorkloads, workloadOptions } from "../../options/workload.ts";
import { type Outcome, versioned } from "../../outcome.ts";
import { outcomeJson, outcomeLines } from "../../render/result/outcomes.ts";

/** `wasme deploy istio IMAGE --id ID`. */
export const deployIstio: CommandSpec = {
  name: "deploy istio",
  summary: "Deploy a filter to workloads in an Istio mesh",
  description:
    "Deploy a filter to the workloads that match. Arguments, files, the image and the cluster are checked first; the " +
    "plan is shown, then applied. The image's tag is resolved once and its digest pinned.",
  examples: [
    {
      command: "wasme deploy istio ghcr.io/acme/hello:v1 --id hello -n shop -l app=web",
      does: "to the Deployments labelled app=web in namespace shop",
    },
    {
      command: "wasme deploy istio ghcr.io/acme/hello:v2 --id hello -n shop --delivery cache-http",
      does: "update it without a gap: every node holds the module before a proxy is told of it",
    },
    {
      command: "wasme deploy istio ghcr.io/acme/hello:v1 --id hello -n shop --dry-run=server",
      does: "try every write on the cluster and show the difference; changes nothing",
    },
    {
      command: "wasme deploy istio hello:v1 --id hello -f web.yaml --dry-run=client",
      does: "print what would be applied to a manifest's workloads; asks no cluster",
    },
  ],
  arguments: [
    { name: "<image>", description: "reference of the image; the cluster pulls it from there", complete: "image" },
  ],
  options: [
    { flags: "--id <id>", description: "name of the filter, unique per workload", required: true },
    ...filterOptions,
    {
      flags: "-f, --filename <manifest>",
      description: "take workloads from this file or folder, - for stdin, and print what to apply",
      repeatable: true,
      complete: "file",
    },
    dryRunOption,
    { flags: "--no-check", description: "do not look at the image, and do not run its module here first" },
    { flags: "--force-conflicts", description: "take over fields other field managers own" },
    ...timeoutOptions,
    ...workloadOptions,
    ...placementOptions,
    ...clusterOptions,
    ...registryOptions,
    ...storeOptions,
    ...cacheOptions,
    ...legacyIstioOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const request = {
      image: parseImageReference(argument(input, 0)),
      id: text(options, "id") ?? "",
      ...(await readFilter(context, options)),
      patchContext: choice(options, "patchContext", PATCH_CONTEXTS, "inbound"),
      priority: integer(options, "priority", DEFAULT_PRIORITY),
      phase: FILTER_PHASES.find((phase) => phase === options["phase"]),
      workloads: readWorkloads(options),
      via: choice(options, "via", ["auto", "envoyfilter", "wasmplugin", "trafficextension"], "auto"),
      delivery: choice(options, "delivery", ["auto", ...DELIVERIES], "auto"),
      pullSecret: readPullSecret(options),
      cache: readCache(options),
      check: notDenied(options, "check"),
      dryRun: readDryRun(options),
      manifests: list(options, "filename"),
      forceConflicts: flag(options, "forceConflicts"),
      wait: notDenied(options, "wait"),
      timeoutMs: duration(options, "timeout", "5m"),
    };
    if (request.id === "")
      throw usageError("ID_MISSING", "--id is empty", { hint: "name the filter, for example --id hello" });
    const { deployIstio: use } = await import("../../../deploy/deploy-istio.ts");
    return outcome(await use(deployDeps(context, options), request, context.events));
  },
};

function outcome(result: DeployResult): Outcome {
  if (result.mode === "dry-run-client" || result.mode === "manifests") return printed(result);
  const { mode, id, via, delivery, namespace, source, manifestDigest, moduleDigest, outcomes, diff } = result;
  const image = formatReference({ ...result.reference, digest: undefined });
  return {
    json: versioned("DeployResult", {
      mode,
      id,
      via,
      delivery,
      namespace,
      image,
      source,
      manifestDigest,
      moduleDigest,
      outcomes: outcomeJson(outcomes),
      diff,
    }),
    names: outcomes.map(({ ref }) => `${ref.kind.kind.toLowerCase()}/${ref.name}`),
    text: (style) => (mode === "dry-run-server" ? diff : outcomeLines(outcomes, style)),
  };
}

/** Objects fit for `kubectl apply -f -`, and nothing else on stdout: YAML unless something else was asked for. */
function printed({ objects }: DeployResult): Outcome {
  return {
    json: objects,
    documents: objects,
    names: objects.map((object) => `${object.kind.toLowerCase()}/${object.metadata.name}`),
    text: () => "",
    preferYaml: true,
  };
}
