import type { StatusRequest, StatusResult } from "../../deploy/status.ts";
import { usageError } from "../../domain/errors.ts";
import type { CommandSpec, Input, OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { duration, flag, text } from "../options/read.ts";
import { clusterOptions, connect, readWorkloads, workloadOptions } from "../options/workload.ts";
import { type Outcome, versioned } from "../outcome.ts";
import { statusText } from "../render/result/status.ts";

/** `wasme status`. */
export const status: CommandSpec = {
  name: "status",
  summary: "Show how far the filters in a cluster are, and what is in the way",
  description:
    "Compare what each filter is to run with what every step on its way reports: the node cache's list, the nodes, the " +
    "pod template, the roll-out, the Istio object, the sidecars. The first step that is not done is told with what to " +
    "type. Reads only; what may not be read is said so. Exit code 0 when all filters are on, 1 when one is not.",
  examples: [
    { command: "wasme status -n shop", does: "all filters in namespace shop" },
    { command: "wasme status --id hello -n shop --explain", does: "every step of one, and what its proxies say" },
    {
      command: "wasme status --id hello -n shop --watch --timeout 2m",
      does: "wait until it is on; exit code 1 if not",
    },
    { command: "wasme status -A -o json", does: "the whole cluster, for a script" },
  ],
  arguments: [],
  options: [
    { flags: "--id <id>", description: "only this filter; exit code 3 when there is none of that name" },
    { flags: "-A, --all-namespaces", description: "filters of all namespaces" },
    { flags: "--explain", description: "ask the proxies too, through the API server (get pods/proxy)" },
    { flags: "-w, --watch", description: "look every 2 s and tell what changes, until all is on" },
    { flags: "--timeout <duration>", description: "longest time to watch", default: "5m" },
    ...workloadOptions.map((option) => (option.flags.startsWith("-t") ? anyKind(option) : option)),
    ...clusterOptions,
  ],
  async run(context, input) {
    const request = readRequest(input);
    const result = await look(context, input, request);
    for (const message of result.notes) context.events({ type: "warning", message });
    return outcome(result, request);
  },
};

function anyKind({ default: _default, ...option }: OptionSpec): OptionSpec {
  return { ...option, description: `${option.description}; all three when absent` };
}

function readRequest({ options }: Input): StatusRequest {
  const { namespace, labels, kind } = readWorkloads(options);
  const allNamespaces = flag(options, "allNamespaces");
  if (allNamespaces && namespace !== undefined) {
    throw usageError("OPTIONS_CONFLICT", "-A takes all namespaces, -n one", { hint: "leave one of the two out" });
  }
  return {
    id: text(options, "id"),
    namespace,
    allNamespaces,
    labels,
    kind: text(options, "workloadType") === undefined ? undefined : kind,
    explain: flag(options, "explain"),
  };
}

async function look(context: Context, { options }: Input, request: StatusRequest): Promise<StatusResult> {
  const { filterStatus } = await import("../../deploy/status.ts");
  const port = await connect(context, options);
  try {
    const deps = { port, pods: port.pods, clock: context.clock, events: context.events, signal: context.signal };
    const once = (): Promise<StatusResult> => filterStatus(deps, request);
    if (!flag(options, "watch")) return await once();
    const { watchStatus } = await import("../../deploy/status-watch.ts");
    return await watchStatus(deps, once, { timeoutMs: duration(options, "timeout", "5m"), everyMs: 2000 });
  } finally {
    port.close();
  }
}

function outcome(result: StatusResult, { id, explain, kind, labels }: StatusRequest): Outcome {
  const { filters } = result;
  const allOn = filters.every(({ state }) => state === "on");
  const detailed = explain || id !== undefined;
  const narrowed = kind !== undefined || Object.keys(labels).length > 0;
  return {
    json: versioned("StatusResult", { ...result, allOn }),
    names: filters.map((one) => [one.namespace, one.id, one.workload].filter((part) => part !== undefined).join("/")),
    text: (style, width) => statusText(result, { detailed, narrowed, style, width }),
    exitCode: allOn ? 0 : 1,
  };
}
