import type { AbiVersion } from "../domain/abi-version.ts";
import type { ErrorKind } from "../domain/errors.ts";
import type { Capability } from "./capabilities.ts";
import type { ModuleOrigin } from "./detect-sdk.ts";
import type { FileKind } from "./file-kind.ts";

/** Every fault the check knows: stable codes. */
type ModuleFaultCode =
  | "MODULE_NOT_WASM"
  | "MODULE_IS_COMPONENT"
  | "MODULE_MALFORMED"
  | "MODULE_INVALID"
  | "MODULE_NO_ABI"
  | "MODULE_NO_ALLOCATOR"
  | "MODULE_NO_MEMORY"
  | "MODULE_MEMORY_TOO_LARGE"
  | "MODULE_TABLES_TOO_LARGE"
  | "MODULE_TOO_LARGE"
  | "MODULE_UNKNOWN_IMPORT"
  | "MODULE_IMPORT_TYPE"
  | "MODULE_EXPORT_TYPE";

/** Why a proxy will not load the module. */
export interface ModuleProblem {
  readonly code: ModuleFaultCode;
  readonly kind: ErrorKind;
  /** A clause that continues "the module …": `imports env.abort, which no proxy offers`. */
  readonly message: string;
  readonly hint?: string;
  /** The import (`env.abort`) or export it is about. */
  readonly subject?: string;
}

/** Something that loads but may surprise. */
export interface ModuleWarning {
  readonly code:
    | "MODULE_SEVERAL_MARKERS"
    | "MODULE_IMPORTED_MEMORY"
    | "MODULE_IMPORTED_TABLE"
    | "MODULE_NEWER_WASM"
    | "MODULE_NEEDS_CONFIG";
  readonly message: string;
  readonly hint?: string;
}

/** One import as `inspect` shows it; `type` in the proxies' notation (`i32 i32 -> i32`), of functions only. */
export interface ImportSummary {
  readonly module: string;
  readonly name: string;
  readonly kind: "function" | "memory" | "global" | "table" | "tag";
  readonly type?: string;
}

/** What the check found out. JSON-safe. */
export interface ModuleReport {
  /** True when a proxy loads the module: no problem was found. */
  readonly ok: boolean;
  readonly problems: readonly ModuleProblem[];
  readonly warnings: readonly ModuleWarning[];
  readonly fileKind: FileKind["kind"];
  /** Bytes. */
  readonly size: number;
  readonly abi: AbiVersion | undefined;
  readonly allocator: "malloc" | "proxy_on_memory_allocate" | undefined;
  /** What runs first; `start-section` is AssemblyScript's way, `undefined` means that nothing does. */
  readonly entry: "_initialize" | "_start" | "start-section" | undefined;
  /** Pages of 64 KiB the memory starts with, and the most it may grow to. */
  readonly memory: { readonly min: number; readonly max: number | undefined } | undefined;
  readonly origin: ModuleOrigin;
  /** Each import once, in order. */
  readonly imports: readonly ImportSummary[];
  readonly capabilities: readonly Capability[];
  /** The callbacks of its ABI the module exports: what the proxy will call. */
  readonly callbacks: readonly string[];
}
