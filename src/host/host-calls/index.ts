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

/** Every host call of module `env`, of all ABIs together, by name. */
export function hostFunctions(scope: KernelScope): Readonly<Record<string, HostFunction>> {
  return {
    ...logCalls(scope),
    ...timeCalls(scope),
    ...headerCalls(scope),
    ...bufferCalls(scope),
    ...streamCalls(scope),
    ...contextCalls(scope),
    ...sharedDataCalls(scope),
    ...sharedQueueCalls(scope),
    ...metricCalls(scope),
    ...calloutCalls(scope),
    ...propertyCalls(scope),
    ...abi010Calls(scope),
    ...runtimeCalls(scope),
  };
}
