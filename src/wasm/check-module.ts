import { WasmeError } from "../domain/errors.ts";
import { MalformedModule } from "./binary-reader.ts";
import { CALLBACKS } from "./callbacks.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { checkExports, type ExportFindings } from "./check-exports.ts";
import { checkImports } from "./check-imports.ts";
import { detectAbi, type DetectedAbi } from "./detect-abi.ts";
import { detectOrigin, SOLO_SDK, type ModuleOrigin } from "./detect-sdk.ts";
import { validateCode } from "./engine.ts";
import { fileKind, type FileKind } from "./file-kind.ts";
import type { ModuleImport } from "./imports.ts";
import type { ImportSummary, ModuleProblem, ModuleReport, ModuleWarning } from "./module-report.ts";
import { type ParsedModule, parseModule } from "./parse-module.ts";
import { formatType } from "./types.ts";
import { malformed, notAModule, REBUILD } from "./unreadable-module.ts";

/** Circumstances the check may look at. */
export interface CheckOptions {
  /** The plugin configuration the filter will get; one SDK cannot do without. */
  readonly config?: string | undefined;
}

/** Bytes; Istio's agent and Envoy Gateway fetch no larger module. */
export const MAX_MODULE: number = 256 * 1024 * 1024;

/**
 * Tells whether a proxy will load the module, and what it is made of. The rules are Envoy 1.40's own: whatever passes
 * here `envoy --mode validate` loads and links, as far as the module's own start code does not trap. One exception:
 * without a memory Envoy loads it and crashes at the first host call, so that is refused here.
 */
export function checkModule(bytes: Uint8Array, options: CheckOptions = {}): ModuleReport {
  const kind = fileKind(bytes);
  if (kind.kind !== "module") return unreadable(bytes, kind, notAModule(kind));
  let module: ParsedModule;
  try {
    module = parseModule(bytes);
  } catch (error) {
    if (!(error instanceof MalformedModule)) throw error;
    return unreadable(bytes, kind, malformed(error));
  }
  return report(module, options);
}

/**
 * Throws the first problem of the report as a `WasmeError`; `what` names the module in the message, as the user knows
 * it. The others are counted in the message and listed in `details`.
 */
export function assertLoadable(moduleReport: ModuleReport, what: string): void {
  const [first, ...others] = moduleReport.problems;
  if (first === undefined) return;
  const more =
    others.length === 0 ? "" : ` (and ${others.length} more ${others.length === 1 ? "problem" : "problems"})`;
  throw new WasmeError(first.kind, first.code, `${what} ${first.message}${more}`, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    details: { problems: moduleReport.problems },
  });
}

function report(module: ParsedModule, options: CheckOptions): ModuleReport {
  const detected = detectAbi(module.exports);
  const exports = checkExports(module, detected);
  const origin = detectOrigin(module, detected.abi);
  const engine = checkCode(module);
  const problems = [
    ...tooLarge(module),
    ...engine.problems,
    ...exports.problems,
    ...(detected.abi === undefined ? [] : checkImports(module.imports, detected.abi)),
  ];
  return {
    ok: problems.length === 0,
    problems,
    warnings: [...engine.warnings, ...warningsOf(module, detected, origin, options)],
    fileKind: "module",
    size: module.bytes.byteLength,
    abi: detected.abi,
    allocator: exports.allocator,
    entry: exports.entry,
    memory: exports.memory,
    origin,
    imports: summarise(module.imports),
    capabilities: capabilitiesOf(module.imports),
    callbacks: callbacksOf(module, detected, exports),
  };
}

function checkCode(module: ParsedModule): { problems: readonly ModuleProblem[]; warnings: readonly ModuleWarning[] } {
  const engine = validateCode(module.bytes);
  switch (engine.verdict) {
    case "valid":
      return { problems: [], warnings: [] };
    case "invalid": {
      const message = `is corrupted: ${engine.reason}`;
      return { problems: [{ code: "MODULE_INVALID", kind: "usage", message, hint: REBUILD }], warnings: [] };
    }
    case "unsupported": {
      const message = `needs a newer WebAssembly than this Node.js can check: ${engine.reason}`;
      return {
        problems: [],
        warnings: [{ code: "MODULE_NEWER_WASM", message, hint: "check it with a newer Node.js" }],
      };
    }
  }
}

function tooLarge(module: ParsedModule): readonly ModuleProblem[] {
  if (module.bytes.byteLength <= MAX_MODULE) return [];
  const message = `is ${module.bytes.byteLength} bytes long, and proxies fetch at most ${MAX_MODULE}`;
  return [{ code: "MODULE_TOO_LARGE", kind: "incompatible", message, hint: "strip it and optimise for size" }];
}

function warningsOf(
  module: ParsedModule,
  detected: DetectedAbi,
  origin: ModuleOrigin,
  options: CheckOptions,
): readonly ModuleWarning[] {
  const warnings: ModuleWarning[] = [];
  if (detected.markers.length > 1) {
    const message = `exports several ABI markers (${detected.markers.join(", ")}); proxies go by the first one they know`;
    warnings.push({ code: "MODULE_SEVERAL_MARKERS", message, hint: "link one SDK only" });
  }
  for (const kind of ["memory", "table"] as const) {
    if (!module.imports.some((item) => item.kind === kind)) continue;
    const code = kind === "memory" ? "MODULE_IMPORTED_MEMORY" : "MODULE_IMPORTED_TABLE";
    warnings.push({ code, message: `imports its ${kind}: Envoy makes one for it, other hosts may refuse` });
  }
  if (origin.sdk?.name === SOLO_SDK && origin.sdk.version === "0.1.8" && (options.config ?? "") === "") {
    warnings.push({
      code: "MODULE_NEEDS_CONFIG",
      message: `is built with ${SOLO_SDK} 0.1.8, which traps in onConfigure when the plugin configuration is empty`,
      hint: "deploy it with a --config that is not empty, or build it with the current template",
    });
  }
  return warnings;
}

function callbacksOf(module: ParsedModule, detected: DetectedAbi, findings: ExportFindings): readonly string[] {
  const { abi } = detected;
  if (abi === undefined) return [];
  const names = new Set(CALLBACKS.filter((item) => item.abis.includes(abi)).map((item) => item.name));
  return module.exports.flatMap((item) =>
    item.kind === "function" && names.has(item.name) && !findings.refused.has(item.name) ? [item.name] : [],
  );
}

function summarise(imports: readonly ModuleImport[]): readonly ImportSummary[] {
  const seen = new Map<string, ImportSummary>();
  for (const item of imports) {
    const base = { module: item.module, name: item.name, kind: item.kind };
    const summary = item.kind === "function" ? { ...base, type: formatType(item.type) } : base;
    seen.set(JSON.stringify(summary), summary);
  }
  return [...seen.values()];
}

function unreadable(bytes: Uint8Array, kind: FileKind, problem: ModuleProblem): ModuleReport {
  return {
    ok: false,
    problems: [problem],
    warnings: [],
    fileKind: kind.kind,
    size: bytes.byteLength,
    abi: undefined,
    allocator: undefined,
    entry: undefined,
    memory: undefined,
    origin: { language: undefined, compiler: undefined, sdk: undefined },
    imports: [],
    capabilities: [],
    callbacks: [],
  };
}
