import type { CacheLocation, OperatorSettings } from "../../../operator/settings.ts";
import type { ImagesDeps } from "../../../operator/images.ts";
import { envValue } from "../../../platform/env.ts";
import type { CommandSpec } from "../../command-spec.ts";
import type { Context } from "../../context.ts";
import { checkedName, namespaceName, serviceName } from "../../options/install.ts";
import { byteSize, duration, flag, integer, list, notDenied, text, type Values } from "../../options/read.ts";
import { connectionOptions, registryMaker } from "../../options/registry.ts";
import { clusterOptions, connect } from "../../options/workload.ts";
import { usageError } from "../../../domain/errors.ts";
import { interrupted } from "../../outcome.ts";
import { packageVersion } from "../../version.ts";

const CACHE = "Node cache";
const TIMES = "Times and limits";

/** `wasme operator run`. */
export const operatorRun: CommandSpec = {
  name: "operator run",
  summary: "Bring about what FilterDeployments ask for",
  description:
    "The operator: verify each FilterDeployment's filter, have the node cache fetch it, put it on the workloads that " +
    "match, and keep it there, until it is ended. It runs in a cluster (see wasme operator manifests), or here, against " +
    "the cluster of the kubeconfig. The log is one JSON object a line on stderr.",
  examples: [
    { command: "wasme operator run", does: "for all namespaces, with the rights of the kubeconfig" },
    {
      command: "wasme operator run --watch-namespace shop --no-leader-elect",
      does: "for one namespace; only when no other operator runs",
    },
    { command: "wasme operator run --no-cache", does: "without a node cache: proxies pull for themselves" },
  ],
  arguments: [],
  options: [
    {
      flags: "-n, --namespace <name>",
      description: "its own namespace, where the Lease is",
      default: "wasme-operator",
      env: "POD_NAMESPACE",
    },
    {
      flags: "--watch-namespace <names>",
      description: "look after these only, separated by commas",
      repeatable: true,
      env: "WATCH_NAMESPACES",
    },
    {
      flags: "--lease <name>",
      description: "name of the Lease by which replicas agree who leads",
      default: "wasme-operator",
    },
    { flags: "--no-leader-elect", description: "work at once; only when no other operator runs" },
    {
      flags: "-l, --listen <address>",
      description: "HOST:PORT of /healthz, /readyz and /metrics",
      default: "127.0.0.1:8080",
    },
    { flags: "--cache-name <name>", description: "name of the node cache", default: "wasme-cache", group: CACHE },
    { flags: "--cache-namespace <name>", description: "its namespace", default: "wasme", group: CACHE },
    { flags: "--no-cache", description: "use no node cache", group: CACHE },
    { flags: "--workers <n>", description: "FilterDeployments in work at once", default: "4", group: TIMES },
    {
      flags: "--resolve-interval <duration>",
      description: "how often tags are looked up again",
      default: "5m",
      group: TIMES,
    },
    {
      flags: "--resync <duration>",
      description: "how often everything is looked at although nothing happened",
      default: "10m",
      group: TIMES,
    },
    {
      flags: "--max-module <size>",
      description: "largest module it runs on trial; a larger one is refused, since it takes memory several times",
      default: "32MiB",
      group: TIMES,
    },
    ...clusterOptions,
    ...connectionOptions,
    {
      flags: "--auth-file <file>",
      description: "credentials file in Docker's form, tried before the usual places",
      repeatable: true,
      complete: "file",
    },
  ],
  endless: () => true,
  async run(context, { options }) {
    const settings = readSettings(context, options);
    const { parseListenAddress } = await import("../../../platform/listen-address.ts");
    const listen = parseListenAddress(text(options, "listen") ?? "127.0.0.1:8080", 8080);
    const { keepHeapSmall } = await import("../../../platform/small-heap.ts");
    keepHeapSmall();
    const { createJsonLog, logEvents } = await import("../../../platform/json-log.ts");
    const { createMetrics } = await import("../../../controller/metrics.ts");
    const { runOperator } = await import("../../../operator/run-operator.ts");
    const { verbose, quiet } = context.global;
    const level = verbose ? "debug" : quiet ? "warn" : "info";
    const write = (line: string): void => context.terminal.stderr.write(line);
    const log = createJsonLog({ write, clock: context.clock, level });
    const quietly = { ...context, events: logEvents(log) };
    const metrics = await createMetrics();
    const connectRegistry = await registries(quietly, options);
    const access = { ...quietly, fieldManager: "wasme-operator", onAnswer: metrics.onAnswer } as const;
    const port = await connect(access, options);
    const instance = envValue(context.env, "POD_NAME");
    const version = packageVersion();
    try {
      await runOperator(
        { port, clock: context.clock, log, metrics, connectRegistry, version, instance, signal: context.signal },
        { ...settings, listen },
      );
      return interrupted(context.signal);
    } finally {
      port.close();
    }
  },
};

function readSettings({ env }: Context, options: Values): OperatorSettings {
  const typed = list(options, "watchNamespace");
  const watched = typed.length > 0 ? typed : [envValue(env, "WATCH_NAMESPACES") ?? ""];
  const names = [...new Set(watched.flatMap((value) => value.split(",")))].map((name) => name.trim());
  const workers = integer(options, "workers", 4);
  if (workers < 1 || workers > MOST_WORKERS) {
    throw usageError("NUMBER_INVALID", `--workers ${workers} is not between 1 and ${MOST_WORKERS}`);
  }
  return {
    namespace: namespaceName(
      text(options, "namespace") ?? envValue(env, "POD_NAMESPACE") ?? "wasme-operator",
      "namespace",
    ),
    lease: checkedName(text(options, "lease") ?? "wasme-operator", "lease"),
    leaderElect: notDenied(options, "leaderElect"),
    watchNamespaces: names.filter((name) => name !== "").map((name) => namespaceName(name, "watchNamespace")),
    cache: readCache(options),
    workers,
    resolveMs: Math.max(LEAST_MS, duration(options, "resolveInterval", "5m")),
    resyncMs: Math.max(LEAST_MS, duration(options, "resync", "10m")),
    maxModule: byteSize(options, "maxModule", 1) ?? MAX_MODULE,
  };
}

function readCache(options: Values): CacheLocation | undefined {
  if (!notDenied(options, "cache")) return undefined;
  return {
    name: serviceName(options, "cacheName", "wasme-cache"),
    namespace: namespaceName(text(options, "cacheNamespace") ?? "wasme", "cacheNamespace"),
  };
}

/**
 * Clients for registries; what a FilterDeployment says of its own comes on top of the options. The operator's own
 * credentials go over connections of its own kind only: whoever writes an object does not get to see them by asking for http.
 */
export async function registries(context: Context, options: Values): Promise<ImagesDeps["connect"]> {
  const { anonymous } = await import("../../../registry/credential.ts");
  const kinds = await Promise.all(
    [false, true].flatMap((insecure) =>
      [false, true].map(async (plainHttp) => {
        const values = {
          ...options,
          ...(insecure ? { insecure } : {}),
          ...(plainHttp ? { plainHttp } : {}),
        };
        const isLooser = (insecure && !flag(options, "insecure")) || (plainHttp && !flag(options, "plainHttp"));
        return { insecure, plainHttp, isLooser, maker: await registryMaker(context, values, SHORT) };
      }),
    ),
  );
  return ({ insecure, plainHttp, credentials }) => {
    const kind = kinds.find((one) => one.insecure === insecure && one.plainHttp === plainHttp);
    if (kind === undefined) throw new TypeError("there is a maker for every kind of connection");
    return kind.maker.createClient(credentials ?? (kind.isLooser ? anonymous : kind.maker.common));
  };
}

/** A registry that is away is asked again soon enough: nobody sits before a terminal and waits for this one answer. */
const SHORT = { retryBudgetMs: 5000, connectTimeoutMs: 5000, idleTimeoutMs: 10_000 };
const MAX_MODULE = 32 * 2 ** 20;
const MOST_WORKERS = 64;
/** Registries and servers that are asked more often would not like it. Milliseconds. */
const LEAST_MS = 100;
