import { StreamType } from "../enums.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** What only ABI 0.1.0 has. */
export function abi010Calls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  return {
    proxy_get_configuration(outPointer: number, outLength: number): Status {
      const { context } = scope;
      return memory.give(context.configuring ? context.plugin.configuration : EMPTY, outPointer, outLength);
    },
    proxy_continue_request: (): Status => scope.context.continueStream(StreamType.request),
    proxy_continue_response: (): Status => scope.context.continueStream(StreamType.response),
    proxy_clear_route_cache(): Status {
      scope.context.clearRouteCache();
      return Status.ok;
    },
  };
}

const EMPTY = new Uint8Array(0);
