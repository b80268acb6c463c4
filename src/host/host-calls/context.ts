import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** Acting for another context, and the end of a root that asked for time. */
export function contextCalls(scope: KernelScope): Record<string, HostFunction> {
  return {
    proxy_set_effective_context: (id: number): Status =>
      scope.setEffectiveContext(id >>> 0) ? Status.ok : Status.badArgument,
    proxy_done: (): Status => scope.context.done(),
  };
}
