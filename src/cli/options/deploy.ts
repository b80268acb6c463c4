import { DELIVERIES } from "../../domain/delivery.ts";
import { FILTER_PHASES, PATCH_CONTEXTS } from "../../domain/filter.ts";
import { usageError } from "../../domain/errors.ts";
import { parseImageReference } from "../../domain/image-reference.ts";
import type { CacheRequest, DeployDeps } from "../../deploy/request.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { packageVersion } from "../version.ts";
import { checkedName, namespaceName, serviceName } from "./install.ts";
import { choice, duration, text, type Values } from "./read.ts";
import { registryUser } from "./registry.ts";
import { openStoreFor } from "./store.ts";
import { connect } from "./workload.ts";

const PLACE = "Placement";
const CACHE = "Node cache (deliveries cache-http, cache-file)";
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"] as const;

/** Where in the mesh and in the chain the filter goes. */
export const placementOptions: readonly OptionSpec[] = [
  {
    flags: "--patch-context <context>",
    description: "which traffic",
    choices: PATCH_CONTEXTS,
    default: "inbound",
    group: PLACE,
  },
  {
    flags: "--via <kind>",
    description:
      "kind of object; auto keeps the kind a filter has, else takes the first the cluster serves that can express it",
    choices: ["auto", "envoyfilter", "wasmplugin", "trafficextension"],
    default: "auto",
    group: PLACE,
  },
  {
    flags: "--delivery <way>",
    description: "how the module gets to the proxies; auto keeps the way of a filter that is there",
    choices: ["auto", ...DELIVERIES],
    default: "auto",
    group: PLACE,
  },
  { flags: "--priority <n>", description: "higher runs first", default: "10", group: PLACE },
  {
    flags: "--phase <phase>",
    description: "place in Istio's chain; not for envoyfilter",
    choices: FILTER_PHASES,
    group: PLACE,
  },
  {
    flags: "--pull-secret <name>",
    description:
      "Secret with registry credentials, in the workloads' namespace; for the proxies' agents or the node cache",
    group: PLACE,
  },
];

/** `--dry-run`. */
export const dryRunOption: OptionSpec = {
  flags: "--dry-run [where]",
  description: "client: print the objects; server: try every write and show the difference",
  complete: ["client", "server"],
};

/** How long to wait. */
export const timeoutOptions: readonly OptionSpec[] = [
  { flags: "--timeout <duration>", description: "longest wait for a roll-out", default: "5m" },
  { flags: "--no-wait", description: "do not wait at the end" },
  { flags: "--wait", description: "wait at the end, as is the default", hidden: true },
];

/** Which node cache. */
export const cachePlaceOptions: readonly OptionSpec[] = [
  { flags: "--cache-name <name>", description: "name of its objects", default: "wasme-cache", group: CACHE },
  { flags: "--cache-namespace <name>", description: "its namespace", default: "wasme", group: CACHE },
];

/** The node cache to use, or to make. */
export const cacheOptions: readonly OptionSpec[] = [
  ...cachePlaceOptions,
  { flags: "--cache-repo <repository>", description: "image of the cache program", default: "ghcr.io/wasme/wasme" },
  { flags: "--cache-tag <tag>", description: "its tag; default the version of wasme" },
  { flags: "--cache-custom-command <args>", description: "replaces its arguments, separated by commas" },
  {
    flags: "--cache-image-pull-policy <policy>",
    description: "pull policy",
    choices: PULL_POLICIES,
    default: "IfNotPresent",
  },
  {
    flags: "--cache-timeout <duration>",
    description: "longest wait for the nodes to report the module; 0 does not wait",
    default: "1m",
  },
].map((option): OptionSpec => ({ group: CACHE, ...option }));

/** Accepted from old scripts; nothing depends on Istio's version any more. */
export const legacyIstioOptions: readonly OptionSpec[] = [
  { flags: "--istio-namespace <name>", description: "accepted, not needed", hidden: true },
  { flags: "--istiod-name <name>", description: "accepted, not needed", hidden: true },
  { flags: "--ignore-version-check", description: "accepted, nothing is gated on a version", hidden: true },
];

/** Which node cache the options name. Throws `NAME_INVALID` and `NAMESPACE_INVALID` (usage). */
export function readCachePlace(values: Values): Pick<CacheRequest, "name" | "namespace"> {
  return {
    name: serviceName(values, "cacheName", "wasme-cache"),
    namespace: namespaceName(text(values, "cacheNamespace") ?? "wasme", "cacheNamespace"),
  };
}

/** The Secret the option names; an empty name, as an unset variable of a script leaves it, is none. Throws `NAME_INVALID` (usage). */
export function readPullSecret(values: Values): string | undefined {
  const name = text(values, "pullSecret") ?? "";
  return name === "" ? undefined : checkedName(name, "pullSecret");
}

/**
 * The node cache the options describe. Into a namespace that is yet to be made the server tries nothing beforehand: what it
 * would refuse half-way is found here. Throws as {@link readCachePlace}, and `REFERENCE_INVALID` (usage).
 */
export function readCache(values: Values): CacheRequest {
  const command = text(values, "cacheCustomCommand");
  const repo = text(values, "cacheRepo") ?? "ghcr.io/wasme/wasme";
  const image = `${repo}:${text(values, "cacheTag") ?? packageVersion()}`;
  parseImageReference(image);
  return {
    ...readCachePlace(values),
    image,
    imagePullPolicy: choice(values, "cacheImagePullPolicy", PULL_POLICIES, "IfNotPresent"),
    ...(command === undefined ? {} : { customCommand: command.split(",") }),
    timeoutMs: duration(values, "cacheTimeout", "1m"),
  };
}

/** `--dry-run=client|server`; a bare `--dry-run` is refused, as kubectl does. */
export function readDryRun(values: Values): "client" | "server" | undefined {
  const value = values["dryRun"];
  if (value === undefined || value === "client" || value === "server") return value;
  const typed =
    typeof value === "string" ? ` ${JSON.stringify(value)} is not client or server` : " needs to know where";
  throw usageError("DRY_RUN_INVALID", `--dry-run${typed}`, {
    hint: "--dry-run=client prints the objects, --dry-run=server tries them on the cluster",
  });
}

/** What the use cases need of the outside: a cluster and a registry, opened only when they are asked for. */
export function deployDeps(context: Context, values: Values): DeployDeps {
  const withOurRegistry = registryUser(context, values);
  return {
    clock: context.clock,
    cwd: context.cwd,
    signal: context.signal,
    connect: async () => await connect(context, values),
    readStdin: async () => {
      const { readAll } = await import("../../platform/read-stdin.ts");
      return await readAll(context.terminal.stdin, MAX_STDIN);
    },
    readModule: async (image) => {
      const { readModule } = await import("../../images/read-module.ts");
      const store = await openStoreFor(context, values);
      return await withOurRegistry(async (registry) => {
        return await readModule({ store, registry, signal: context.signal }, image);
      });
    },
    resolveImage: async (reference, from) => {
      const { resolveImage } = await import("../../images/resolve-image.ts");
      const store = await openStoreFor(context, values);
      return await withOurRegistry(async (registry, stranger) => {
        return await resolveImage(
          { store, registry, stranger: stranger(), signal: context.signal },
          { reference, from },
        );
      });
    },
  };
}

/** Bytes of manifests on stdin. */
const MAX_STDIN = 64 * 1024 * 1024;
