import type { CommandSpec } from "../../command-spec.ts";
import {
  checkedName,
  manifests,
  namespaceName,
  programOptions,
  readProgram,
  serviceName,
} from "../../options/install.ts";
import { choice, integer, list, notDenied, text } from "../../options/read.ts";
import { usageError } from "../../../domain/errors.ts";

const CRDS = ["include", "only", "none"] as const;

/** `wasme operator manifests`. */
export const operatorManifests: CommandSpec = {
  name: "operator manifests",
  summary: "Print the objects that install the operator",
  description:
    "Print the Kubernetes objects that install the operator of FilterDeployments, for kubectl apply -f - or a Git " +
    "repository. Install the node cache first (wasme cache manifests), or say --no-cache: the operator gets a role " +
    "in the cache's namespace.",
  examples: [
    { command: "wasme operator manifests | kubectl apply -f -", does: "install it for all namespaces" },
    {
      command: "wasme operator manifests --watch-namespace shop,blog | kubectl apply -f -",
      does: "for two namespaces, without any right elsewhere",
    },
    {
      command: "wasme operator manifests --crds only | kubectl apply -f -",
      does: "the kind alone, as an administrator; the rest with --crds none",
    },
  ],
  arguments: [],
  options: [
    { flags: "-n, --namespace <name>", description: "namespace, made for it", default: "wasme-operator" },
    {
      flags: "--watch-namespace <names>",
      description: "look after these only, separated by commas; they must exist",
      repeatable: true,
    },
    { flags: "--replicas <n>", description: "pods; one leads, the others stand by", default: "1" },
    {
      flags: "--crds <which>",
      description: "whether the kind FilterDeployment and its roles for users are in it",
      choices: CRDS,
      default: "include",
    },
    {
      flags: "--pull-secret <name>",
      description: "the only Secret it may read in the namespaces it looks after; default any, by name",
      repeatable: true,
    },
    { flags: "--cache-name <name>", description: "name of the node cache", default: "wasme-cache" },
    { flags: "--cache-namespace <name>", description: "its namespace", default: "wasme" },
    { flags: "--no-cache", description: "without the node cache" },
    ...programOptions,
  ],
  async run(_context, { options }) {
    const namespace = namespaceName(text(options, "namespace") ?? "wasme-operator", "namespace");
    const cache = {
      name: serviceName(options, "cacheName", "wasme-cache"),
      namespace: namespaceName(text(options, "cacheNamespace") ?? "wasme", "cacheNamespace"),
    };
    const replicas = integer(options, "replicas", 1);
    if (replicas < 1) {
      const hint = `1 is enough, a second one stands by; kubectl scale deployment wasme-operator -n ${namespace} --replicas 0 stops it`;
      throw usageError("NUMBER_INVALID", `--replicas ${replicas} is not 1 or more: no operator would run`, { hint });
    }
    const settings = {
      ...readProgram(options, "wasme-operator", namespace),
      replicas,
      watchNamespaces: commaList(list(options, "watchNamespace")).map((name) => namespaceName(name, "watchNamespace")),
      pullSecrets: list(options, "pullSecret").map((name) => checkedName(name, "pullSecret")),
      cache: notDenied(options, "cache") ? cache : undefined,
    };
    const { buildOperatorKinds, buildOperatorProgram } = await import("../../../mesh/operator-objects.ts");
    const crds = choice(options, "crds", CRDS, "include");
    return manifests([
      ...(crds === "none" ? [] : buildOperatorKinds()),
      ...(crds === "only" ? [] : buildOperatorProgram(settings)),
    ]);
  },
};

/** Each once, in order. */
function commaList(values: readonly string[]): readonly string[] {
  return [...new Set(values.flatMap((value) => value.split(",")))];
}
