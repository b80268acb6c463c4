import { PROXY_MODULE } from "../wasm/host-imports.ts";
import type { KernelScope } from "./host-calls/kernel-scope.ts";
import type { HostModule, UnknownImport } from "./host-module.ts";
import { Status } from "./status.ts";
import { GuestAbort } from "./vm-trap.ts";
import type { HostFunction, WasmValue } from "./webassembly.ts";

/** What a guest is doing when it may not call everything; `linking` is its start section. */
export const Moment = { running: 0, allocating: 1, starting: 2, linking: 3 } as const;

/** A number of {@link Moment}. */
export type Moment = (typeof Moment)[keyof typeof Moment];

type AnyFunction = (...args: WasmValue[]) => WasmValue | void;

const ALWAYS: ReadonlySet<string> = new Set(["proxy_log", "fd_write", "clock_time_get", "poll_oneoff"]);
/** Host calls of the groups `headers` and `buffers`, which are made most (`KernelScope.assertRunning`). */
const LOOKS_ITSELF = /^proxy_(?:get|set|add|replace|remove)_(?:header_map|buffer)_/u;
/** Of WASI all may be called while starting but these. */
const NOT_WHILE_STARTING: ReadonlySet<string> = new Set([
  "fd_close",
  "fd_read",
  "fd_seek",
  "path_open",
  "proc_exit",
  "sched_yield",
]);

/** The earliest moment (highest number) at which Envoy lets the function be called. */
function allowedUpTo(module: string, name: string): Moment {
  if (ALWAYS.has(name)) return Moment.starting;
  if (module === PROXY_MODULE) return name === "emscripten_notify_memory_growth" ? Moment.starting : Moment.running;
  return NOT_WHILE_STARTING.has(name) ? Moment.running : Moment.starting;
}

/**
 * The function as a guest may call it: one that is not for start code or allocators ends the guest there, as in Envoy
 * ("restricted_callback"). In a start section, where Envoy crashes, the call is reported.
 */
export function guarded(scope: LinkScope, module: string, name: string, call: HostFunction): HostFunction {
  const always = ALWAYS.has(name);
  if (LOOKS_ITSELF.test(name) || (always && !scope.module.startSection)) return call;
  const allowed = allowedUpTo(module, name);
  const deny = (now: Moment): boolean => (now === Moment.allocating ? !always : allowed === Moment.running);
  return guardedBy(call as AnyFunction, () => {
    const { moment } = scope;
    if (moment === Moment.running) return;
    if (deny(moment)) throw new GuestAbort("restricted_callback");
    if (moment === Moment.linking && NEEDS_CONTEXT.has(name)) {
      const text = `${module}.${name} was called in the module's start section: Envoy crashes`;
      scope.reportOnce(`start section ${name}`, "start-section-call", "warning", text);
    }
  });
}

/** A scope, and what its guest is doing. */
export type LinkScope = KernelScope & { readonly moment: Moment; readonly module: HostModule };

/** Of what may be called while starting: what needs a context or the memory, and has neither in a start section. */
const NEEDS_CONTEXT: ReadonlySet<string> = new Set([
  "proxy_log",
  "args_sizes_get",
  "environ_get",
  "environ_sizes_get",
  "clock_res_get",
  "clock_time_get",
  "fd_fdstat_get",
  "fd_pwrite",
  "fd_readdir",
  "fd_tell",
  "fd_write",
  "path_readlink",
  "poll_oneoff",
  "random_get",
  "sock_accept",
  "sock_recv",
  "sock_send",
]);

/** By number of parameters: a rest parameter would cost more than the check. */
function guardedBy(call: AnyFunction, check: () => void): HostFunction {
  switch (call.length) {
    case 0:
      return (): WasmValue | void => {
        check();
        return call();
      };
    case 1:
      return (a: WasmValue): WasmValue | void => {
        check();
        return call(a);
      };
    case 2:
      return (a: WasmValue, b: WasmValue): WasmValue | void => {
        check();
        return call(a, b);
      };
    case 3:
      return (a: WasmValue, b: WasmValue, c: WasmValue): WasmValue | void => {
        check();
        return call(a, b, c);
      };
    default:
      return guardedLong(call, check);
  }
}

function guardedLong(call: AnyFunction, check: () => void): HostFunction {
  if (call.length > 5) {
    return (...args: WasmValue[]): WasmValue | void => {
      check();
      return call(...args);
    };
  }
  return (a: WasmValue, b: WasmValue, c: WasmValue, d: WasmValue, e: WasmValue): WasmValue | void => {
    check();
    return call(a, b, c, d, e);
  };
}

/** What a guest gets instead of a function its configuration does not grant. */
export function restrictedCall(scope: KernelScope, module: string, name: string): HostFunction {
  const proxy = module === PROXY_MODULE;
  const kind = proxy ? "proxy-wasm" : "WASI";
  return (): number => {
    const text = `Attempted call to restricted ${kind} capability: ${name}`;
    scope.log("error", "host", text);
    scope.reportOnce(name, "restricted-capability", "warning", text);
    return proxy ? Status.internalFailure : NOT_CAPABLE;
  };
}

/** What a guest gets instead of a function the profile's host does not have. */
export function unsupportedCall(scope: KernelScope, name: string): HostFunction {
  return (): number => {
    scope.reportOnce(
      name,
      "unsupported-call",
      "warning",
      `${name} is not offered by the ${scope.profile.name} profile`,
    );
    return Status.unimplemented;
  };
}

/** What a guest gets instead of a function nobody knows. */
export function unknownCall(scope: KernelScope, item: UnknownImport): HostFunction {
  const subject = `${item.module}.${item.name}`;
  return (): WasmValue | void => {
    scope.reportOnce(subject, "unknown-import", "warning", `${subject} was called, which no proxy has`);
    switch (item.result) {
      case undefined:
        return undefined;
      case "i64":
        return BigInt(Status.unimplemented);
      case "i32":
      case "f32":
      case "f64":
        return Status.unimplemented;
    }
  };
}

/** WASI's errno of that name. */
const NOT_CAPABLE = 76;
