import { WASI_IMPORTS } from "../wasm/host-imports.ts";
import type { KernelScope } from "./host-calls/kernel-scope.ts";
import type { HostFunction } from "./webassembly.ts";

/** WASI as Envoy serves it, the same for both of its module names. */
export function wasiFunctions(scope: KernelScope): Readonly<Record<string, HostFunction>> {
  const refused = (name: string): HostFunction => {
    const answer = REFUSALS[name] ?? Errno.notSupported;
    return () => answer;
  };
  return { ...Object.fromEntries(WASI_IMPORTS.map(({ name }) => [name, refused(name)])), ...wasiCalls(scope) };
}

/** `errno` of WASI preview 1, the ones that are used. */
const Errno = {
  success: 0,
  badFile: 8,
  fault: 21,
  invalid: 28,
  noEntry: 44,
  noSystem: 52,
  notSupported: 58,
} as const;

/** What is always answered alike; the others say that they are not supported. */
const REFUSALS: Readonly<Record<string, number>> = {
  fd_close: Errno.success,
  fd_seek: Errno.success,
  sched_yield: Errno.success,
  args_get: Errno.success,
  fd_read: Errno.noSystem,
  fd_fdstat_set_flags: Errno.noSystem,
  fd_prestat_dir_name: Errno.noSystem,
  fd_prestat_get: Errno.badFile,
  path_open: Errno.noEntry,
};

function wasiCalls(scope: KernelScope): Record<string, HostFunction> {
  return { ...outputCalls(scope), ...environmentCalls(scope), ...clockCalls(scope) };
}

function outputCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  return {
    fd_write(fd: number, vectors: number, count: number, outWritten: number): number {
      const source = fd === 1 ? "stdout" : fd === 2 ? "stderr" : undefined;
      if (source === undefined) return Errno.badFile;
      const bytes = gather(scope, vectors, count >>> 0);
      if (bytes === undefined) return Errno.fault;
      if (bytes.length > 0) {
        const end = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length;
        const text = new TextDecoder().decode(bytes.subarray(0, end));
        scope.log(source === "stdout" ? "info" : "error", source, text);
      }
      return memory.writeU32(outWritten, bytes.length) ? Errno.success : Errno.fault;
    },
    fd_fdstat_get(fd: number, out: number): number {
      if (fd !== 1 && fd !== 2) return Errno.badFile;
      const stat = new Uint8Array(24);
      stat[8] = RIGHT_TO_WRITE;
      memory.write(out, stat);
      return Errno.success;
    },
    proc_exit: (): void => undefined,
    poll_oneoff: (_in: number, _out: number, _count: number, outEvents: number): number =>
      memory.writeU32(outEvents, 0) ? Errno.success : Errno.fault,
  };
}

/** The bytes of all vectors; `undefined` when one lies outside. */
function gather(scope: KernelScope, vectors: number, count: number): Uint8Array | undefined {
  const { memory } = scope;
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let index = 0; index < count; index += 1) {
    const pointer = memory.readU32((vectors >>> 0) + index * 8);
    const size = memory.readU32((vectors >>> 0) + index * 8 + 4);
    const part = pointer === undefined || size === undefined ? undefined : memory.view(pointer, size);
    if (part === undefined || length + part.length > MAX_WRITE) return undefined;
    parts.push(part);
    length += part.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function environmentCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const encoder = new TextEncoder();
  const variables = Array.from(scope.variables, ([name, value]) => encoder.encode(`${name}=${value}\0`));
  const size = variables.reduce((sum, entry) => sum + entry.length, 0);
  const pair = (count: number, bytes: number, outCount: number, outBytes: number): number =>
    memory.writeU32(outCount, count) && memory.writeU32(outBytes, bytes) ? Errno.success : Errno.fault;
  return {
    args_sizes_get: (outCount: number, outBytes: number): number => pair(0, 0, outCount, outBytes),
    environ_sizes_get: (outCount: number, outBytes: number): number => pair(variables.length, size, outCount, outBytes),
    environ_get(outPointers: number, outText: number): number {
      let pointers = outPointers >>> 0;
      let text = outText >>> 0;
      for (const entry of variables) {
        if (!memory.writeU32(pointers, text) || !memory.write(text, entry)) return Errno.fault;
        pointers += 4;
        text += entry.length;
      }
      return Errno.success;
    },
  };
}

function clockCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const { clock, random } = scope.environment;
  return {
    clock_time_get(id: number, _precision: bigint, outTime: number): number {
      if (id !== REAL_TIME && id !== MONOTONIC) return Errno.notSupported;
      return memory.writeU64(outTime, id === REAL_TIME ? clock.now() : clock.monotonic()) ? Errno.success : Errno.fault;
    },
    clock_res_get(id: number, outResolution: number): number {
      if (id !== REAL_TIME && id !== MONOTONIC) return Errno.notSupported;
      return memory.writeU64(outResolution, 1n) ? Errno.success : Errno.fault;
    },
    random_get(pointer: number, length: number): number {
      if (length >>> 0 > MAX_RANDOM) return Errno.invalid;
      const bytes = new Uint8Array(length >>> 0);
      random(bytes);
      return memory.write(pointer, bytes) ? Errno.success : Errno.fault;
    },
  };
}

const NEWLINE = 0x0a;
/** Bytes one call may write: the vectors may name the same memory many times. */
const MAX_WRITE = 64 * 1024 * 1024;
const RIGHT_TO_WRITE = 64;
const REAL_TIME = 0;
const MONOTONIC = 1;
const MAX_RANDOM = 64 * 1024;
