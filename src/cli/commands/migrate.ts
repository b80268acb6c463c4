import { DELIVERIES } from "../../domain/delivery.ts";
import { usageError } from "../../domain/errors.ts";
import { formatReference, parseImageReference, withDigest } from "../../domain/image-reference.ts";
import type { MigrateResult } from "../../deploy/migrate.ts";
import type { ImageAnswer } from "../../deploy/migrate-images.ts";
import type { MigrateRequest } from "../../deploy/migrate-request.ts";
import { VIAS } from "../../deploy/request.ts";
import type { CommandSpec, Input } from "../command-spec.ts";
import { cacheOptions, deployDeps, readCache, timeoutOptions } from "../options/deploy.ts";
import { choice, duration, flag, list, notDenied, text, type Values } from "../options/read.ts";
import { registryOptions } from "../options/registry.ts";
import { storeOptions } from "../options/store.ts";
import { clusterOptions, readWorkloads } from "../options/workload.ts";
import { type Outcome, versioned } from "../outcome.ts";
import { askConfirm, askText, canAsk } from "../prompt.ts";
import { outcomeJson, outcomeLines } from "../render/result/outcomes.ts";

/** `wasme migrate`. */
export const migrateCommand: CommandSpec = {
  name: "migrate",
  summary: "Turn what an old wasme left in a cluster into today's objects",
  description:
    "Find what an old wasme (0.0.x) left: EnvoyFilters, annotations of pod templates with its volume, its backups, its " +
    "node cache. Each filter is deployed the way of today, under the same id and with the same configuration; only when " +
    "every pod has it the old objects go. The plan is shown first, then asked for. It may be run again at any time: it " +
    "goes on where it stopped.",
  examples: [
    { command: "wasme migrate -A --dry-run", does: "show the plan, and what would change; changes nothing" },
    { command: "wasme migrate -n shop", does: "migrate one namespace, after asking" },
    {
      command: "wasme migrate -A --yes --image auth=ghcr.io/acme/auth:v1",
      does: "everything, without asking; auth's image is on no list any more",
    },
  ],
  arguments: [],
  options: [
    { flags: "-n, --namespace <name>", description: "namespace; default the context's own" },
    { flags: "-A, --all-namespaces", description: "look in all namespaces" },
    {
      flags: "--image <id=ref>",
      description: "image of a filter that no list of the old wasme names; its module must be the one that is there",
      repeatable: true,
      complete: "none",
    },
    {
      flags: "--replace-image <id=ref>",
      description: "image of a filter, though its module is another one",
      repeatable: true,
      complete: "none",
    },
    {
      flags: "--dry-run [where]",
      description: "server (default): try every write and show the difference; client: print today's objects",
      complete: ["client", "server"],
    },
    {
      flags: "--via <kind>",
      description: "kind of object; auto takes the first the cluster serves that can express the filter",
      choices: ["auto", ...VIAS],
      default: "auto",
    },
    {
      flags: "--delivery <way>",
      description: "how the modules get to the proxies; auto takes cache-http where the old node cache is",
      choices: ["auto", ...DELIVERIES],
      default: "auto",
    },
    { flags: "--pull-secret <name>", description: "Secret with registry credentials, in the workloads' namespaces" },
    { flags: "--no-check", description: "do not look at the images, and do not run their modules here first" },
    { flags: "--force-conflicts", description: "take over fields other field managers own" },
    { flags: "--istio-namespace <name>", description: "where istiod is, for its version", default: "istio-system" },
    { flags: "--istiod-name <name>", description: "name of its Deployment", default: "istiod" },
    ...timeoutOptions,
    ...clusterOptions,
    ...registryOptions,
    ...storeOptions,
    ...cacheOptions,
  ],
  async run(context, { options }) {
    const { migrate } = await import("../../deploy/migrate.ts");
    const deps = {
      ...deployDeps(context, options),
      confirm: (message: string) => askConfirm(context, message),
      ...(canAsk(context) ? { askImage: (message: string) => askText(context, { message, flag: "--image" }) } : {}),
    };
    return outcome(await migrate(deps, request(options), context.events));
  },
};

function request(options: Input["options"]): MigrateRequest {
  const allNamespaces = flag(options, "allNamespaces");
  const { namespace } = readWorkloads(options);
  if (allNamespaces && namespace !== undefined) {
    throw usageError("OPTIONS_CONFLICT", "-n names one namespace, -A means all", { hint: "leave one of the two out" });
  }
  return {
    namespace,
    allNamespaces,
    images: [...answers(options, "image", false), ...answers(options, "replaceImage", true)],
    via: choice(options, "via", ["auto", ...VIAS], "auto"),
    delivery: choice(options, "delivery", ["auto", ...DELIVERIES], "auto"),
    pullSecret: text(options, "pullSecret"),
    cache: readCache(options),
    istiod: {
      namespace: text(options, "istioNamespace") ?? "istio-system",
      name: text(options, "istiodName") ?? "istiod",
    },
    check: notDenied(options, "check"),
    dryRun: readDryRun(options["dryRun"]),
    forceConflicts: flag(options, "forceConflicts"),
    wait: notDenied(options, "wait"),
    timeoutMs: duration(options, "timeout", "5m"),
  };
}

/** `f1=ghcr.io/acme/f1:v1`. */
function answers(options: Values, name: string, replace: boolean): readonly ImageAnswer[] {
  return list(options, name).map((value) => {
    const equals = value.indexOf("=");
    if (equals < 1) {
      const typed = `--${replace ? "replace-image" : "image"} ${JSON.stringify(value)}`;
      throw usageError("IMAGE_OPTION_INVALID", `${typed} is not ID=REF`, {
        hint: "name the filter's id and its image, for example auth=ghcr.io/acme/auth:v1",
      });
    }
    return { id: value.slice(0, equals), reference: parseImageReference(value.slice(equals + 1)), replace };
  });
}

/** A bare `--dry-run` asks the server: without one there is nothing to see of what is there. */
function readDryRun(value: unknown): "client" | "server" | undefined {
  if (value === undefined || value === "client" || value === "server") return value;
  if (value === true) return "server";
  throw usageError("DRY_RUN_INVALID", `--dry-run ${JSON.stringify(value)} is not client or server`, {
    hint: "--dry-run tries every write and shows the difference, --dry-run=client prints today's objects",
  });
}

function outcome(result: MigrateResult): Outcome {
  const { mode, namespace, filters, outcomes, diff, objects } = result;
  const json = versioned("MigrateResult", {
    mode,
    namespace: namespace ?? null,
    filters: filters.map(({ filter, image, via }) => ({
      namespace: filter.old.namespace,
      workload: { kind: filter.target.workload.kind, name: filter.target.workload.name },
      id: filter.old.id,
      envoyFilter: filter.old.object.metadata.name,
      image: formatReference(withDigest(image.reference, image.manifestDigest)),
      moduleDigest: image.moduleDigest,
      via,
    })),
    outcomes: outcomeJson(outcomes),
    diff,
  });
  const names = filters.map(({ filter }) => `${filter.old.namespace}/${filter.old.object.metadata.name}`);
  const shown = { json, names, text: (style: Parameters<Outcome["text"]>[0]) => lines(result, style) };
  return mode === "dry-run-client" ? { ...shown, documents: objects, preferYaml: true } : shown;
}

function lines({ mode, outcomes, diff }: MigrateResult, style: Parameters<Outcome["text"]>[0]): string {
  if (mode === "dry-run-server") return diff;
  if (mode === "declined") return "Nothing was changed";
  return mode === "nothing" ? "Nothing to migrate" : outcomeLines(outcomes, style);
}
