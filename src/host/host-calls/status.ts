import type { CalloutStatuses } from "../callouts.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { CallScope } from "./scope.ts";

/** How the last callout that failed did so. */
export function statusCalls(scope: CallScope, statuses: CalloutStatuses): Record<string, HostFunction> {
  return {
    proxy_get_status(outCode: number, outMessage: number, outLength: number): Status {
      const { code, message } = statuses.of(scope.context);
      if (!scope.memory.writeU32(outCode, code)) return Status.invalidMemoryAccess;
      return scope.memory.giveLatin1(message, outMessage, outLength);
    },
  };
}
