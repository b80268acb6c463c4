import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** What compilers and Envoy itself put beside the ABI. */
export function runtimeCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  let lastToken = 0;
  return {
    pthread_equal: (left: number, right: number): number => (left === right ? 1 : 0),
    emscripten_notify_memory_growth: (): void => undefined,
    // There is no resolver here: every name fails, as it does in Envoy when nobody answers.
    envoy_resolve_dns(name: number, length: number, outToken: number): Status {
      if (memory.view(name, length) === undefined) return Status.invalidMemoryAccess;
      const token = lastToken + 1;
      if (!memory.writeU32(outToken, token)) return Status.invalidMemoryAccess;
      lastToken = token;
      const { root } = scope.context;
      scope.host.post(() => void scope.callRoot("envoy_on_resolve_dns", root, token, 0));
      return Status.ok;
    },
  };
}
