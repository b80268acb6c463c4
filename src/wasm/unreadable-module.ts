import type { MalformedModule } from "./binary-reader.ts";
import type { FileKind } from "./file-kind.ts";
import type { ModuleProblem } from "./module-report.ts";

/** What to do about a broken module. */
export const REBUILD = "build or download it again";

/** What is wrong with a file that is no module. */
export function notAModule(kind: Exclude<FileKind, { kind: "module" }>): ModuleProblem {
  switch (kind.kind) {
    case "component":
      return {
        code: "MODULE_IS_COMPONENT",
        kind: "incompatible",
        message: "is a WebAssembly component, not a core module; proxies load core modules only",
        hint: "build a core module: wasm32-wasip1 for Rust, -buildmode=c-shared for Go, no componentize step",
      };
    case "unknown-version":
      return {
        code: "MODULE_NOT_WASM",
        kind: "usage",
        message: "has the WebAssembly magic number but a version that does not exist",
        hint: REBUILD,
      };
    case "other": {
      const what = kind.looksLike === undefined ? "" : `: it looks like ${kind.looksLike}`;
      return {
        code: "MODULE_NOT_WASM",
        kind: "usage",
        message: `is not a WebAssembly module${what}`,
        hint: NOT_WASM_HINT,
      };
    }
  }
}

const NOT_WASM_HINT = "give the .wasm file that your compiler wrote";

/** What is wrong with a module that cannot be read to its end. */
export function malformed(error: MalformedModule): ModuleProblem {
  const what = error.truncated ? "is cut off" : "is corrupted";
  const message = `${what} at byte ${error.offset}: ${error.message}`;
  return { code: "MODULE_MALFORMED", kind: "usage", message, hint: REBUILD };
}
