import type { HostFunction } from "../webassembly.ts";
import { abi010Calls } from "./abi-010.ts";
import { bufferCalls } from "./buffers.ts";
import { calloutCalls } from "./callouts.ts";
import { contextCalls } from "./context.ts";
import { headerCalls } from "./headers.ts";
import type { KernelScope } from "./kernel-scope.ts";
import { logCalls } from "./log.ts";
import { metricCalls } from "./metrics.ts";
import { propertyCalls } from "./properties.ts";
import { runtimeCalls } from "./runtime.ts";
import { sharedDataCalls } from "./shared-data.ts";
import { sharedQueueCalls } from "./shared-queue.ts";
import { streamCalls } from "./stream.ts";
import { timeCalls } from "./time.ts";

/** Those that filters import most come first. */
const GROUPS: readonly ((scope: KernelScope) => Record<string, HostFunction>)[] = [
  headerCalls,
  bufferCalls,
  logCalls,
  contextCalls,
  propertyCalls,
  streamCalls,
  timeCalls,
  sharedDataCalls,
  sharedQueueCalls,
  metricCalls,
  calloutCalls,
  abi010Calls,
  runtimeCalls,
];

/**
 * Finds the host calls of module `env`, of all ABIs together, by name. A group is made when something of it, or of one
 * behind it, is asked for: making all takes longer than making the instance of a small module.
 */
export function hostFunctions(scope: KernelScope): (name: string) => HostFunction | undefined {
  const made = new Map<string, HostFunction>();
  let next = 0;
  return (name) => {
    for (let group = GROUPS[next]; group !== undefined && !made.has(name); group = GROUPS[next]) {
      for (const [own, call] of Object.entries(group(scope))) made.set(own, call);
      next += 1;
    }
    return made.get(name);
  };
}
