import type { BodyBuffer } from "../body-buffer.ts";
import { BufferType } from "../enums.ts";
import { Status } from "../status.ts";
import type { HostFunction } from "../webassembly.ts";
import type { KernelScope } from "./kernel-scope.ts";

/** Bodies, connection data, configurations, and what callbacks deliver. */
export function bufferCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  return {
    proxy_get_buffer_bytes(type: number, start: number, max: number, outPointer: number, outLength: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_BUFFER) return Status.badArgument;
      const source = bufferOf(scope, type >>> 0);
      if (source === undefined) return Status.notFound;
      const from = start >>> 0;
      const length = Math.min(max >>> 0, Math.max(0, source.length - from));
      if (length === 0) return memory.give(EMPTY, outPointer, outLength);
      const given = memory.allocate(length);
      if (given === undefined) return Status.invalidMemoryAccess;
      if (source instanceof Uint8Array) given.bytes.set(source.subarray(from, from + length));
      else source.copyTo(given.bytes, from);
      return memory.writeU32(outPointer, given.pointer) && memory.writeU32(outLength, length)
        ? Status.ok
        : Status.invalidMemoryAccess;
    },
    proxy_get_buffer_status(type: number, outLength: number, outFlags: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_BUFFER) return Status.badArgument;
      const source = bufferOf(scope, type >>> 0);
      if (source === undefined) return Status.notFound;
      return memory.writeU32(outLength, source.length) && memory.writeU32(outFlags, 0)
        ? Status.ok
        : Status.invalidMemoryAccess;
    },
    proxy_set_buffer_bytes(type: number, start: number, length: number, data: number, dataLength: number): Status {
      scope.assertRunning();
      if (type >>> 0 > LAST_BUFFER) return Status.badArgument;
      const target = bufferOf(scope, type >>> 0);
      if (target === undefined) return Status.notFound;
      const bytes = memory.view(data, dataLength);
      if (bytes === undefined) return Status.invalidMemoryAccess;
      if (target instanceof Uint8Array) return Status.badArgument;
      const before = target.length;
      const change = scope.profile.tester ? splice : write;
      const status = change(target, start >>> 0, length >>> 0, bytes.slice());
      if (target.length !== before) scope.context.bodyChanged(type);
      return status;
    },
  };
}

/** The bytes that can be read now: nothing is there, or there is no such thing at this moment (`undefined`). */
function bufferOf(scope: KernelScope, type: number): BodyBuffer | Uint8Array | undefined {
  const { context } = scope;
  if (type <= BufferType.upstreamData) return context.buffer(type) ?? EMPTY;
  switch (type) {
    case BufferType.vmConfiguration:
      return scope.vmConfiguration;
    case BufferType.pluginConfiguration:
      return context.configuring ? context.plugin.configuration : undefined;
    default:
      return delivered(scope, type);
  }
}

function delivered({ delivery }: KernelScope, type: number): Uint8Array | undefined {
  if (type === BufferType.calloutResponseBody) return delivery?.calloutBody;
  return (type === BufferType.grpcMessage ? delivery?.grpcMessage : delivery?.foreignArguments) ?? EMPTY;
}

/** From the start: that many bytes give way to the data. From the end or beyond: appended. Nothing in between. */
function write(target: BodyBuffer, start: number, length: number, data: Uint8Array): Status {
  if (start === 0) {
    target.drain(length);
    target.prepend(data);
  } else if (start >= target.length) target.append(data);
  else return Status.badArgument;
  return Status.ok;
}

/** The tester puts the data in the place of those bytes, wherever they are. */
function splice(target: BodyBuffer, start: number, length: number, data: Uint8Array): Status {
  const old = target.bytes();
  target.drain(old.length);
  target.append(old.subarray(0, start));
  target.append(data);
  target.append(old.subarray(Math.min(start + length, old.length)));
  return Status.ok;
}

const LAST_BUFFER = BufferType.foreignFunctionArguments;
const EMPTY = new Uint8Array(0);
