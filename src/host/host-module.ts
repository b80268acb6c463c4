import type { AbiVersion } from "../domain/abi-version.ts";
import type { ProfileName } from "./profile.ts";
import type { WasmModule } from "./webassembly.ts";

/** A function a module asks for that no proxy has, and that the host answers all the same (`stubUnknown`). */
export interface UnknownImport {
  readonly module: string;
  readonly name: string;
  /** The type of its one result; `undefined` when it has none. */
  readonly result: "i32" | "i64" | "f32" | "f64" | undefined;
}

/**
 * A module that was checked and compiled. Plain data: it may be posted to a worker (structured clone), which is cheaper
 * than to compile it there again.
 */
export interface HostModule {
  readonly compiled: WasmModule;
  /** Equal for equal bytes and options: filters of equal modules may share a VM. */
  readonly key: string;
  /** Bytes of the file. */
  readonly size: number;
  readonly profile: ProfileName;
  readonly abi: AbiVersion;
  readonly allocator: "malloc" | "proxy_on_memory_allocate";
  /** Making an instance runs code of the module (AssemblyScript's way). */
  readonly startSection: boolean;
  /** What is called first; a start section runs before it, by itself. */
  readonly entry: "_initialize" | "_start" | undefined;
  /** Called after `_initialize`. */
  readonly main: "main" | "__main_void" | undefined;
  /** The exported memory's name, or the import that asks for one. */
  readonly memory: ModuleMemory;
  /** Functions it asks for, as `module.name`, each once; unknown ones are not among them. */
  readonly imports: readonly string[];
  readonly unknownImports: readonly UnknownImport[];
  /** Tables it wants from the host, and their least sizes. */
  readonly tables: readonly { readonly module: string; readonly name: string }[];
  /** The callbacks of its ABI it exports. */
  readonly callbacks: readonly string[];
}

/** Where a module's memory comes from; pages of 64 KiB. */
export interface ModuleMemory {
  /** Exported name, when it exports one. */
  readonly exported: string | undefined;
  /** The import, when the host has to make it. */
  readonly imported: { readonly module: string; readonly name: string } | undefined;
  readonly initialPages: number;
  /** What it may grow to, the host's limit included. */
  readonly maximumPages: number;
}
