import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** The clock, and the timer of the root context: one, also when a stream sets it. */
export function timeCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const { clock } = scope.environment;
  const { timers } = scope.host;
  return {
    proxy_get_current_time_nanoseconds: (outTime: number): Status =>
      memory.writeU64(outTime, clock.now()) ? Status.ok : Status.invalidMemoryAccess,
    proxy_set_tick_period_milliseconds(period: number): Status {
      const { root } = scope.context;
      timers.set(root, period >>> 0, () => void scope.callRoot("proxy_on_tick", root));
      return Status.ok;
    },
  };
}
