import { usageError } from "../../domain/errors.ts";
import { WORKLOAD_KINDS, type WorkloadKind } from "../../domain/workload.ts";
import type { WorkloadQuery } from "../../deploy/request.ts";
import type { ConnectDeps } from "../../kube/adapter.ts";
import type { PodReader } from "../../kube/pod-reader.ts";
import type { KubePort } from "../../kube/port.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { list, text, type Values } from "./read.ts";

const WORKLOADS = "Workloads";
const CLUSTER = "Cluster";

/** Which workloads. */
export const workloadOptions: readonly OptionSpec[] = [
  { flags: "-n, --namespace <name>", description: "namespace; default the context's own", group: WORKLOADS },
  {
    flags: "-l, --labels <k=v,...>",
    description: "labels the workload itself must have; all workloads of the kind when absent",
    repeatable: true,
    group: WORKLOADS,
  },
  {
    flags: "-t, --workload-type <kind>",
    description: "deployment, daemonset or statefulset",
    default: "deployment",
    complete: WORKLOAD_KINDS.map((kind) => kind.toLowerCase()),
    group: WORKLOADS,
  },
];

/** Which cluster. */
export const clusterOptions: readonly OptionSpec[] = [
  { flags: "--context <name>", description: "kubeconfig context; default the current one", group: CLUSTER },
  {
    flags: "--kubeconfig <file>",
    description: "kubeconfig file",
    env: "KUBECONFIG",
    default: "~/.kube/config",
    complete: "file",
    group: CLUSTER,
  },
];

/** The selection the options describe. Throws usage errors. */
export function readWorkloads(values: Values): WorkloadQuery {
  return { kind: readKind(values), namespace: readNamespace(values), labels: readLabels(values) };
}

/** Opens the cluster the options name; who writes, and who counts answers, comes with the context. */
export async function connect(
  context: Pick<Context, "env" | "cwd"> & ConnectDeps,
  values: Values,
): Promise<KubePort & { readonly pods: PodReader }> {
  const { connectCluster } = await import("../../kube/adapter.ts");
  const [file, contextName] = [text(values, "kubeconfig"), text(values, "context")];
  return await connectCluster(context, {
    env: context.env,
    cwd: context.cwd,
    ...(file === undefined ? {} : { file }),
    ...(contextName === undefined ? {} : { context: contextName }),
  });
}

function readNamespace(values: Values): string | undefined {
  const name = text(values, "namespace");
  if (name === undefined || (name.length <= 63 && NAMESPACE.test(name))) return name;
  throw usageError("NAMESPACE_INVALID", `--namespace ${JSON.stringify(name)} cannot be the name of a namespace`, {
    hint: "a name has lower-case letters, digits and -, at most 63; see kubectl get namespaces",
  });
}

/** RFC 1123 label. */
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/u;

function readKind(values: Values): WorkloadKind {
  const typed = text(values, "workloadType") ?? "deployment";
  const kind = WORKLOAD_KINDS.find((known) => known.toLowerCase() === typed.toLowerCase().replace(/s$/u, ""));
  if (kind !== undefined) return kind;
  throw usageError("WORKLOAD_TYPE_INVALID", `--workload-type ${JSON.stringify(typed)} is not a kind of workload`, {
    hint: "use deployment, daemonset or statefulset",
  });
}

/** `a=1,b=2`, given once or several times. The same key twice with two values can never match. */
function readLabels(values: Values): Readonly<Record<string, string>> {
  const labels = new Map<string, string>();
  for (const pair of list(values, "labels").flatMap((part) => part.split(","))) {
    const match = LABEL.exec(pair.trim());
    if (match === null) throw badLabel(pair);
    const [, key = "", value = ""] = match;
    if (labels.has(key) && labels.get(key) !== value) {
      throw usageError(
        "LABEL_INVALID",
        `--labels asks for ${key}=${labels.get(key) ?? ""} and ${key}=${value} at once`,
      );
    }
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

const LABEL =
  /^((?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==?([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|)$/u;

function badLabel(pair: string): Error {
  return usageError("LABEL_INVALID", `--labels ${JSON.stringify(pair)} is not key=value`, {
    hint: "for example -l app=web,version=v1",
  });
}
