import { PROXY_MODULE } from "../wasm/host-imports.ts";
import type { CallbackTable } from "./dispatch.ts";
import { hostFunctions } from "./host-calls/index.ts";
import type { KernelScope } from "./host-calls/kernel-scope.ts";
import type { HostModule } from "./host-module.ts";
import { guarded, type LinkScope, restrictedCall, unknownCall, unsupportedCall } from "./restrictions.ts";
import type { TraceSink } from "./trace.ts";
import { tracedCall } from "./trace-args.ts";
import { wasiFunctions } from "./wasi.ts";
import {
  type GuestFunction,
  type HostFunction,
  type WasmExports,
  type WasmMemory,
  webAssembly,
} from "./webassembly.ts";

/** Beside the module itself. */
interface LinkOptions {
  /** From {@link importedMemory}. */
  readonly memory: WasmMemory | undefined;
  readonly capabilities: ReadonlySet<string> | undefined;
}

/** Makes the memory of a module that imports one. */
export function importedMemory(module: HostModule): WasmMemory | undefined {
  const { imported, initialPages: initial, maximumPages: maximum } = module.memory;
  return imported === undefined ? undefined : new (webAssembly().Memory)({ initial, maximum });
}

/** Makes an instance with the host's functions in it, which runs the module's start section; what it exports. */
export function instantiate(scope: LinkScope, module: HostModule, options: LinkOptions): WasmExports {
  const imports = bare<Record<string, unknown>>();
  const put = (from: string, name: string, value: unknown): void => {
    (imports[from] ??= bare())[name] = value;
  };
  const proxy = hostFunctions(scope);
  let wasi: ReturnType<typeof wasiFunctions> | undefined;
  for (const subject of module.imports) {
    const dot = subject.indexOf(".");
    const from = subject.slice(0, dot);
    const name = subject.slice(dot + 1);
    const own = from === PROXY_MODULE ? proxy(name) : (wasi ??= wasiFunctions(scope))(name);
    const call = guarded(scope, from, name, offered(scope, { from, name, own }, options.capabilities));
    put(from, name, scope.environment.trace === undefined ? call : tracedCall(scope, name, call));
  }
  for (const item of module.unknownImports) put(item.module, item.name, unknownCall(scope, item));
  for (const { module: from, name } of module.tables)
    put(from, name, new (webAssembly().Table)({ element: "anyfunc", initial: TABLE_SIZE }));
  const { imported } = module.memory;
  if (imported !== undefined) put(imported.module, imported.name, options.memory);
  return new (webAssembly().Instance)(module.compiled, imports).exports;
}

/** Without a prototype: a module names what it imports as it likes, `__proto__` too. */
function bare<Value>(): Record<string, Value> {
  return Object.create(null) as Record<string, Value>;
}

interface Offer {
  readonly from: string;
  readonly name: string;
  readonly own: HostFunction | undefined;
}

/** The host's function, or what stands for it where configuration or profile do not offer it. */
function offered(scope: LinkScope, offer: Offer, capabilities: ReadonlySet<string> | undefined): HostFunction {
  const { from, name, own } = offer;
  const restrictable = from !== PROXY_MODULE || name.startsWith("proxy_");
  if (restrictable && capabilities !== undefined && !capabilities.has(name)) return restrictedCall(scope, from, name);
  if (own === undefined || scope.profile.unsupportedCalls.has(name)) return unsupportedCall(scope, name);
  return own;
}

/** The callbacks the host will make: exported, granted by the configuration, known to the profile's host. */
export function callbackTable(
  scope: KernelScope & { readonly module: HostModule },
  exports: WasmExports,
  capabilities: ReadonlySet<string> | undefined,
): CallbackTable {
  const { trace } = scope.environment;
  const table = new Map<string, GuestFunction>();
  for (const name of scope.module.callbacks) {
    const code = exports[name];
    const granted = capabilities === undefined || !name.startsWith("proxy_") || capabilities.has(name);
    if (typeof code !== "function" || !granted || scope.profile.unsupportedCallbacks.has(name)) continue;
    table.set(name, trace === undefined ? (code as GuestFunction) : tracedCallback(scope, name, code as GuestFunction));
  }
  return table;
}

/** The export, telling the trace of each call. */
export function tracedCallback(scope: KernelScope, name: string, code: GuestFunction): GuestFunction {
  const trace: TraceSink = scope.environment.trace ?? ((): void => undefined);
  return (...args) => {
    const { context } = scope;
    const plugin = context.id === 0 ? undefined : context.plugin.name;
    trace({ type: "callback", plugin, contextId: context.id, name, args: args.slice(0, code.length).map(Number) });
    try {
      const result = code(...args);
      trace({ type: "return", name, result: typeof result === "number" ? result : undefined, trap: undefined });
      return result;
    } catch (error) {
      trace({ type: "return", name, result: undefined, trap: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  };
}

/** Entries of a table a module wants from the host; more than compilers ask for. */
const TABLE_SIZE = 10_000;
