import { LOG_LEVELS } from "../enums.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** Bytes of the longest line that is logged; what is longer ends there. No engine has strings as long as memories. */
export const MAX_LINE: number = 16 * 1024 * 1024;

const decoder = new TextDecoder();

/** `proxy_log`, and the level below which it says nothing. */
export function logCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const threshold = LOG_LEVELS.indexOf(scope.logLevel);
  return {
    proxy_log(level: number, pointer: number, length: number): Status {
      const name = LOG_LEVELS[level >>> 0];
      if (name === undefined) return Status.badArgument;
      const text = memory.view(pointer, length);
      if (text === undefined) return Status.invalidMemoryAccess;
      if (level >= threshold) scope.log(name, "log", decoder.decode(text.subarray(0, MAX_LINE)));
      return Status.ok;
    },
    proxy_get_log_level: (outLevel: number): Status =>
      memory.writeU32(outLevel, threshold) ? Status.ok : Status.invalidMemoryAccess,
  };
}
