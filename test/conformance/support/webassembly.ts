/** The few members of `WebAssembly` that driving a filter needs; neither our `lib` nor Node's types declare them. */
interface GuestMemory {
  readonly buffer: ArrayBuffer;
}

/** A named import or export of a module. */
interface ModuleItem {
  readonly module: string;
  readonly name: string;
  readonly kind: string;
}

/** What an instance exports: functions taking numbers, and the memory. */
export type GuestExports = Record<string, unknown> & { readonly memory: GuestMemory };

interface WebAssemblyNamespace {
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): ModuleItem[];
    exports(module: object): ModuleItem[];
  };
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { exports: GuestExports };
}

const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyNamespace };

/** Compiles a module. */
export function compileModule(bytes: Uint8Array): object {
  return new WebAssembly.Module(bytes);
}

/** Names of everything a module imports, as `env.proxy_log`, sorted. */
export function importNames(module: object): string[] {
  return WebAssembly.Module.imports(module)
    .map((item) => `${item.module}.${item.name}`)
    .toSorted();
}

/** Names of everything a module exports, sorted. */
export function exportNames(module: object): string[] {
  return WebAssembly.Module.exports(module)
    .map((item) => item.name)
    .toSorted();
}

/** Links and starts a module; throws when an import is missing. */
export function instantiate(module: object, env: Record<string, unknown>): GuestExports {
  return new WebAssembly.Instance(module, { env }).exports;
}
