import type { Capability } from "./capabilities.ts";

/** What a module may do with a group of host calls, continuing "may …"; `quiet` ones nobody needs to think about. */
export interface CapabilityText {
  readonly group: Capability["group"];
  readonly text: string;
  readonly quiet: boolean;
  readonly functions: readonly string[];
}

/** Says in plain words what each group of imports lets a module do, what matters most first. */
export function describeCapabilities(capabilities: readonly Capability[]): readonly CapabilityText[] {
  const order = ORDER.filter((group) => capabilities.some((item) => item.group === group));
  return order.flatMap((group) => {
    const functions = capabilities.find((item) => item.group === group)?.functions ?? [];
    const text = textOf(group, functions);
    return [{ group, text, quiet: QUIET.has(group), functions }];
  });
}

type Group = Capability["group"];

const TEXTS: Readonly<Record<Group, string>> = {
  "http-call": "send HTTP requests to clusters",
  "grpc-call": "make gRPC calls",
  "redis-call": "talk to Redis (Higress only)",
  dns: "resolve host names",
  headers: "read and change headers and trailers",
  buffers: "read and change bodies and its configuration",
  stream: "answer, hold and break off requests",
  properties: "read and set properties of requests, connections and the proxy",
  "shared-data": "keep data that all threads of the proxy share",
  "shared-queue": "send messages to other filters by queues",
  metrics: "count and measure",
  "foreign-function": "call functions that are special to a proxy",
  time: "read the clock and run by a timer",
  context: "work for another stream than the current one",
  status: "read the status of calls it made",
  log: "write to the proxy's log",
  "wasi-output": "print to the proxy's log",
  "wasi-clock": "read the clock",
  "wasi-random": "take random bytes",
  "wasi-environment": "read environment variables given to it",
  "wasi-files": "ask for files (proxies have none for it)",
  "wasi-sockets": "ask for sockets (proxies have none for it)",
  "wasi-process": "exit or yield",
  runtime: "tell that its memory grew",
  unknown: "ask for what no proxy has",
};

/** In the order a security reviewer wants to see them. */
const ORDER = Object.keys(TEXTS) as readonly Group[];

const QUIET: ReadonlySet<Group> = new Set([
  "status",
  "context",
  "wasi-clock",
  "wasi-output",
  "wasi-process",
  "wasi-random",
  "runtime",
]);

/** Groups that hold several rather different things are described by the calls that are there. */
function textOf(group: Group, functions: readonly string[]): string {
  const has = (name: string): boolean => functions.some((item) => item.includes(name));
  if (group === "headers") {
    const writes = ["add_", "replace_", "remove_", "set_"].some(has);
    return writes ? TEXTS.headers : "read headers and trailers";
  }
  if (group === "buffers") return has("set_buffer") ? TEXTS.buffers : "read bodies and its configuration";
  if (group === "properties" && !has("set_property")) return "read properties of requests, connections and the proxy";
  if (group === "time" && !has("tick")) return "read the clock";
  return TEXTS[group];
}
