import { usageError } from "../../../domain/errors.ts";
import type { CommandSpec } from "../../command-spec.ts";
import { manifests, namespaceName, programOptions, readProgram, serviceName } from "../../options/install.ts";
import { flag, text, type Values } from "../../options/read.ts";

/** `wasme cache manifests`. */
export const cacheManifests: CommandSpec = {
  name: "cache manifests",
  summary: "Print the objects that install the node cache",
  description:
    "Print the Kubernetes objects that install the node cache, for kubectl apply -f - or a Git repository. " +
    "Its pods need no rights on the node and pass Pod Security's level restricted, unless --files is given.",
  examples: [
    { command: "wasme cache manifests | kubectl apply -f -", does: "install it in namespace wasme" },
    {
      command: "wasme cache manifests --files | kubectl apply -f -",
      does: "for --delivery cache-file, too: modules lie on the node",
    },
    {
      command: "wasme cache manifests --toleration dedicated=mesh:NoSchedule --kubernetes-version 1.32 > cache.yaml",
      does: "for tainted nodes of an older cluster",
    },
  ],
  arguments: [],
  options: [
    { flags: "-n, --namespace <name>", description: "namespace, made for it", default: "wasme" },
    { flags: "--name <name>", description: "name of its objects", default: "wasme-cache" },
    { flags: "--files", description: "keep modules in a directory of the node, as --delivery cache-file needs" },
    {
      flags: "--kubernetes-version <version>",
      description: "release of the cluster, like 1.32; default a current one",
    },
    ...programOptions,
  ],
  async run(_context, { options }) {
    const name = serviceName(options, "name", "wasme-cache");
    const namespace = namespaceName(text(options, "namespace") ?? "wasme", "namespace");
    const settings = {
      ...readProgram(options, name, namespace),
      files: flag(options, "files"),
      kubernetes: readRelease(options),
    };
    const { buildCacheObjects } = await import("../../../mesh/cache-objects.ts");
    return manifests(buildCacheObjects(settings));
  },
};

/** Throws `KUBERNETES_VERSION_INVALID` (usage). */
function readRelease(values: Values): { readonly major: number; readonly minor: number } | undefined {
  const version = text(values, "kubernetesVersion");
  if (version === undefined) return undefined;
  const [, major, minor] = /^v?(\d+)\.(\d+)(?:[.+-].*)?$/u.exec(version) ?? [];
  if (major !== undefined && minor !== undefined) return { major: Number(major), minor: Number(minor) };
  throw usageError(
    "KUBERNETES_VERSION_INVALID",
    `--kubernetes-version ${JSON.stringify(version)} is not a release of Kubernetes`,
    { hint: "write it like 1.32; kubectl version shows the cluster's" },
  );
}
