import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { CacheName } from "../../../cache/cache-events.ts";
import type { NodeIdentity } from "../../../cache/node-report-writer.ts";
import type { ServeCacheRequest } from "../../../cache/serve-cache.ts";
import { usageError } from "../../../domain/errors.ts";
import { formatReference, parseImageReference } from "../../../domain/image-reference.ts";
import { envValue } from "../../../platform/env.ts";
import type { ListenAddress } from "../../../platform/listen-address.ts";
import { type CommandSpec, type Input, manyArguments } from "../../command-spec.ts";
import type { Context } from "../../context.ts";
import { byteSize, duration, flag, integer, text, type Values } from "../../options/read.ts";
import { registryMaker, registryOptions } from "../../options/registry.ts";
import { clusterOptions, connect } from "../../options/workload.ts";
import { interrupted } from "../../outcome.ts";

const LIST = "List of images";
const TIMES = "Times and limits";

/** `wasme cache serve`. */
export const cacheServe: CommandSpec = {
  name: "cache serve",
  summary: "Fetch listed modules and serve them to a node's proxies",
  description:
    "The program of the node cache: fetch and verify the modules of the images in its list, keep them in a directory, " +
    "and serve them at /<module digest> until it is ended. It runs on each node of a cluster (see wasme cache " +
    "manifests), or here, from files. The log is one JSON object a line on stderr.",
  examples: [
    { command: "wasme cache serve ghcr.io/acme/hello:v1", does: "then: curl -O http://127.0.0.1:9110/<module digest>" },
    {
      command: "wasme cache serve --directory ./modules --ref-file images.txt",
      does: "one reference a line; read again when it changes",
    },
    {
      command: "wasme cache serve --namespace wasme --config-map wasme-cache --listen :9110",
      does: "what the pods of the node cache run",
    },
  ],
  arguments: [{ name: "[images...]", description: "references of images to hold in any case", complete: "image" }],
  options: [
    { flags: "-l, --listen <address>", description: "HOST:PORT; :PORT for all addresses", default: "127.0.0.1:9110" },
    {
      flags: "--directory <dir>",
      description: "folder of the modules, one file each",
      default: "~/.wasme/cache",
      complete: "directory",
    },
    { flags: "--clear-cache", description: "remove the modules in the folder first" },
    { flags: "-n, --namespace <name>", description: "namespace of the list's ConfigMap; default wasme", group: LIST },
    {
      flags: "--config-map <name>",
      description: "follow the list in this ConfigMap; default wasme-cache",
      group: LIST,
    },
    {
      flags: "--ref-file <file>",
      description: "follow the list in this file, a reference a line",
      group: LIST,
      complete: "file",
    },
    { flags: "--disable-kube", description: "ask no cluster, whatever else is given", group: LIST },
    { flags: "--cache-ns <name>", description: "old spelling of --namespace", hidden: true },
    { flags: "--cache-name <name>", description: "old spelling of --config-map", hidden: true },
    { flags: "--port <port>", description: "old spelling of --listen :PORT", hidden: true },
    {
      flags: "--tag-interval <duration>",
      description: "how often tags are looked up again",
      default: "1m",
      group: TIMES,
    },
    {
      flags: "--linger <duration>",
      description: "how long a module is served on that nobody lists any more",
      default: "10m",
      group: TIMES,
    },
    {
      flags: "--hold <duration>",
      description: "how long a request waits for a module that is not here yet",
      default: "10s",
      group: TIMES,
    },
    {
      flags: "--drain <duration>",
      description: "how long to serve on, unready, when asked to end",
      default: "10s",
      group: TIMES,
    },
    { flags: "--max-size <size>", description: "most that all files may take", default: "1GiB", group: TIMES },
    { flags: "--max-held <count>", description: "most requests that wait at a time", default: "1000", group: TIMES },
    ...clusterOptions,
    ...registryOptions,
  ],
  endless: () => true,
  async run(context, input) {
    const { options } = input;
    const request = await readRequest(context, input);
    const { createJsonLog, logEvents } = await import("../../../platform/json-log.ts");
    const { createMetrics } = await import("../../../controller/metrics.ts");
    const { serveCache } = await import("../../../cache/serve-cache.ts");
    const { verbose, quiet } = context.global;
    const level = verbose ? "debug" : quiet ? "warn" : "info";
    const write = (line: string): void => context.terminal.stderr.write(line);
    const log = createJsonLog({ write, clock: context.clock, level, fields: { node: request.identity.node } });
    const events = logEvents(log);
    const metrics = await createMetrics();
    const registries = await registryMaker({ ...context, events }, options);
    const access = { ...context, events, fieldManager: "wasme-cache", onAnswer: metrics.onAnswer } as const;
    const port = request.cache === undefined ? undefined : await connect(access, options);
    try {
      await serveCache({ ...context, log, metrics, registries, port }, request);
      return interrupted(context.signal);
    } finally {
      port?.close();
    }
  },
};

async function readRequest(context: Context, input: Input): Promise<ServeCacheRequest> {
  const { options } = input;
  const { cwd, paths } = context;
  const refFile = text(options, "refFile");
  return {
    directory: resolve(cwd, text(options, "directory") ?? join(paths.home, "cache")),
    clear: flag(options, "clearCache"),
    listen: await readListen(options),
    references: manyArguments(input, 0).map((reference) => formatReference(parseImageReference(reference))),
    refFile: refFile === undefined ? undefined : resolve(cwd, refFile),
    cache: readCacheName(options),
    identity: readIdentity(context),
    tagIntervalMs: Math.max(LEAST_INTERVAL_MS, duration(options, "tagInterval", "1m")),
    lingerMs: duration(options, "linger", "10m"),
    holdMs: readHold(options),
    drainMs: duration(options, "drain", "10s"),
    maxBytes: byteSize(options, "maxSize", LEAST_SIZE_KIB) ?? DEFAULT_SIZE,
    maxHeld: readMaxHeld(options),
  };
}

/** A registry that is asked more often than this would not like it. Milliseconds. */
const LEAST_INTERVAL_MS = 100;
const LEAST_SIZE_KIB = 64;
/** Bytes. */
const DEFAULT_SIZE = 1024 * 1024 * 1024;

/** Milliseconds; less than the time after which a connection is cut on which nothing moves. */
function readHold(options: Values): number {
  const hold = duration(options, "hold", "10s");
  if (hold <= MOST_HOLD_MS) return hold;
  throw usageError("DURATION_INVALID", "--hold is longer than 50s, after which no client waits any more", {
    hint: "proxies wait for 15 s: take less than that",
  });
}

const MOST_HOLD_MS = 50_000;

function readMaxHeld(options: Values): number {
  const most = integer(options, "maxHeld", 1000);
  if (most >= 0) return most;
  throw usageError("NUMBER_INVALID", `--max-held ${most} is less than 0, which lets nobody wait`);
}

async function readListen(options: Values): Promise<ListenAddress> {
  const { parseListenAddress } = await import("../../../platform/listen-address.ts");
  const old = text(options, "port");
  return parseListenAddress(text(options, "listen") ?? (old === undefined ? "127.0.0.1:9110" : `:${old}`), 9110);
}

function readCacheName(options: Values): CacheName | undefined {
  const namespace = text(options, "namespace") ?? text(options, "cacheNs");
  const name = text(options, "configMap") ?? text(options, "cacheName");
  for (const [value, option] of [
    [namespace, "--namespace"],
    [name, "--config-map"],
  ] as const) {
    if (value === undefined || (value.length <= 253 && NAME.test(value))) continue;
    throw usageError(
      "OBJECT_NAME_INVALID",
      `${option} ${JSON.stringify(value.slice(0, 80))} is not the name of an object`,
      {
        hint: "a name has lower-case letters, digits, - and .",
      },
    );
  }
  if (flag(options, "disableKube") || (namespace === undefined && name === undefined)) return undefined;
  return { namespace: namespace ?? "wasme", name: name ?? "wasme-cache" };
}

/** RFC 1123 subdomain. */
const NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/u;

/** What the downward API tells of the pod; outside a cluster this machine is the node. */
function readIdentity({ env }: Context): NodeIdentity {
  const node = envValue(env, "NODE_NAME") ?? hostname();
  const [name, uid] = [envValue(env, "POD_NAME"), envValue(env, "POD_UID")];
  return { node, ...(name === undefined || uid === undefined ? {} : { pod: { name, uid } }) };
}
