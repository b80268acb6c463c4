/** Value that crosses the border: i32 and floats are numbers, i64 is a bigint. */
export type WasmValue = number | bigint;

/** A function the host gives to a guest. Arguments come signed: `>>> 0` every pointer and length. */
export type HostFunction = (...args: never[]) => WasmValue | void;

/** A function the guest gives to the host. */
export type GuestFunction = (...args: WasmValue[]) => WasmValue | undefined;

/** `WebAssembly.Memory`; `buffer` is another one after each growth, and the old one is detached. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** `WebAssembly.Module`: opaque; may be posted to a worker. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: "WebAssembly.Module";
}

/** What an instance exports, by name. */
export type WasmExports = Readonly<Record<string, unknown>>;

/** `WebAssembly.Instance`. */
export interface WasmInstance {
  readonly exports: WasmExports;
}

/** Imports by module and name. */
export type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The part of the engine's interface that the host uses; no library of the compiler declares it without a browser. */
export interface WebAssemblyApi {
  compile(bytes: Uint8Array): Promise<WasmModule>;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: WasmImports) => WasmInstance;
  readonly Memory: new (limits: { initial: number; maximum?: number }) => WasmMemory;
  readonly Table: new (limits: { element: "anyfunc"; initial: number }) => unknown;
  readonly CompileError: new (message?: string) => Error;
  readonly LinkError: new (message?: string) => Error;
  readonly RuntimeError: new (message?: string) => Error;
  /** What a guest throws by itself; absent in old engines. */
  readonly Exception?: abstract new (...args: never[]) => object;
}

/** The engine of this process or page. */
export function webAssembly(): WebAssemblyApi {
  return (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
}
