import { WASI_IMPORTS } from "../wasm/host-imports.ts";
import type { KernelScope } from "./host-calls/kernel-scope.ts";
import { MAX_LINE } from "./host-calls/log.ts";
import type { HostFunction } from "./webassembly.ts";

/** Finds the functions of WASI, as Envoy serves them, by name; they are the same for both of its module names. */
export function wasiFunctions(scope: KernelScope): (name: string) => HostFunction | undefined {
  const own = new Map(Object.entries(wasiCalls(scope)));
  return (name) => own.get(name) ?? ALIKE.get(name);
}

/** `errno` of WASI preview 1, the ones that are used. */
const Errno = {
  success: 0,
  badFile: 8,
  exists: 20,
  fault: 21,
  invalid: 28,
  noEntry: 44,
  noSystem: 52,
  notSupported: 58,
} as const;

/** They do nothing, and mind only whether the file is one of the two that can be written to. */
const OUTPUT_ONLY: ReadonlySet<string> = new Set([
  "fd_allocate",
  "fd_datasync",
  "fd_fdstat_set_rights",
  "fd_filestat_set_size",
  "fd_filestat_set_times",
  "fd_sync",
]);

function isOutput(fd: number): boolean {
  return fd === 1 || fd === 2;
}

/** What is always answered alike; the others say that they are not supported. */
const REFUSALS: Readonly<Record<string, number>> = {
  fd_advise: Errno.success,
  fd_close: Errno.success,
  fd_filestat_get: Errno.badFile,
  fd_pread: Errno.noSystem,
  fd_seek: Errno.success,
  sched_yield: Errno.success,
  args_get: Errno.success,
  fd_read: Errno.noSystem,
  fd_fdstat_set_flags: Errno.noSystem,
  fd_prestat_dir_name: Errno.noSystem,
  fd_prestat_get: Errno.badFile,
  path_open: Errno.noEntry,
};

/** What needs no memory: the same functions for every VM. */
const ALIKE: ReadonlyMap<string, HostFunction> = new Map(
  WASI_IMPORTS.map(({ name }) => [name, OUTPUT_ONLY.has(name) ? outputOnly : refused(name)]),
);

function outputOnly(fd: number): number {
  return isOutput(fd) ? Errno.success : Errno.badFile;
}

function refused(name: string): HostFunction {
  const answer = REFUSALS[name] ?? Errno.notSupported;
  return () => answer;
}

function wasiCalls(scope: KernelScope): Record<string, HostFunction> {
  return { ...outputCalls(scope), ...emptyCalls(scope), ...environmentCalls(scope), ...clockCalls(scope) };
}

/** They fail, or find nothing, but say how much of it. */
function emptyCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  const none = (errno: number, ...outs: readonly number[]): number =>
    outs.every((out) => memory.writeU32(out, 0)) ? errno : Errno.fault;
  return {
    fd_renumber: (from: number, to: number): number =>
      isOutput(from) && isOutput(to) ? Errno.notSupported : Errno.badFile,
    fd_tell: (fd: number, out: number): number => {
      if (!isOutput(fd)) return Errno.badFile;
      return memory.writeU64(out, 0n) ? Errno.success : Errno.fault;
    },
    fd_readdir: (_fd: number, _at: number, _size: number, _cookie: bigint, outUsed: number): number =>
      none(Errno.exists, outUsed),
    path_readlink: (_fd: number, _path: number, _length: number, _at: number, _size: number, outUsed: number): number =>
      none(Errno.notSupported, outUsed),
    sock_accept: (_fd: number, _flags: number, outFd: number): number => none(Errno.notSupported, outFd, outFd + 4),
    sock_recv: (_fd: number, _at: number, _count: number, _flags: number, outSize: number, outFlags: number): number =>
      none(Errno.notSupported, outSize, outFlags),
    sock_send: (_fd: number, _at: number, _count: number, _flags: number, outSize: number): number =>
      none(Errno.notSupported, outSize),
  };
}

function outputCalls(scope: KernelScope): Record<string, HostFunction> {
  const { memory } = scope;
  return {
    fd_write: (fd: number, vectors: number, count: number, outWritten: number): number =>
      writeLog(scope, fd, { vectors, count, outWritten }),
    fd_pwrite: (fd: number, vectors: number, count: number, _offset: bigint, outWritten: number): number =>
      writeLog(scope, fd, { vectors, count, outWritten }),
    fd_fdstat_get(fd: number, out: number): number {
      if (!isOutput(fd)) return Errno.badFile;
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

interface Written {
  readonly vectors: number;
  readonly count: number;
  readonly outWritten: number;
}

/** What a program prints is a line of the log: all vectors together, one trailing newline less. */
function writeLog(scope: KernelScope, fd: number, { vectors, count, outWritten }: Written): number {
  if (!isOutput(fd)) return Errno.badFile;
  const bytes = gather(scope, vectors, count >>> 0);
  if (bytes === undefined) return Errno.fault;
  if (bytes.length > 0) {
    const text = new TextDecoder().decode(bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes);
    scope.log(fd === 1 ? "info" : "error", fd === 1 ? "stdout" : "stderr", text);
  }
  return scope.memory.writeU32(outWritten, bytes.length) ? Errno.success : Errno.fault;
}

/** The bytes of all vectors; `undefined` when one lies outside. */
function gather(scope: KernelScope, vectors: number, count: number): Uint8Array | undefined {
  const { memory } = scope;
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let index = 0; index < count; index += 1) {
    const pointer = memory.readU32((vectors >>> 0) + index * 8);
    const size = memory.readU32((vectors >>> 0) + index * 8 + 4);
    if (size === 0) continue;
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
/** Bytes one call may write: vectors may name the same memory many times. */
const MAX_WRITE = MAX_LINE;
const RIGHT_TO_WRITE = 64;
const REAL_TIME = 0;
const MONOTONIC = 1;
const MAX_RANDOM = 64 * 1024;
