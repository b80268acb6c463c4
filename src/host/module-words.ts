import type { AbiVersion } from "../domain/abi-version.ts";
import { ALLOCATOR_TYPE, CALLBACKS, INITIALIZE, MAIN_FUNCTIONS, START } from "../wasm/callbacks.ts";
import { hostImport } from "../wasm/host-imports.ts";
import type { ModuleProblem } from "../wasm/module-report.ts";
import type { ParsedModule } from "../wasm/parse-module.ts";
import { formatType, sameType } from "../wasm/types.ts";

/** What Envoy logs for a problem of a module; where it has no words of its own, the problem's. */
export function envoyWords(problem: ModuleProblem, module: ParsedModule, abi: AbiVersion): string {
  const subject = problem.subject ?? "";
  const words = WORDS[problem.code];
  return words === undefined ? `the module ${problem.message}` : words(subject, module, abi);
}

type Words = (subject: string, module: ParsedModule, abi: AbiVersion) => string;

const WORDS: Readonly<Partial<Record<ModuleProblem["code"], Words>>> = {
  MODULE_NO_ALLOCATOR: () => "Wasm module is missing malloc function.",
  MODULE_UNKNOWN_IMPORT: (subject) => `Failed to load Wasm module due to a missing import: ${subject}`,
  MODULE_IMPORT_TYPE: importTypeWords,
  MODULE_EXPORT_TYPE: exportTypeWords,
};

function importTypeWords(subject: string, module: ParsedModule): string {
  const types = module.imports.flatMap((item) => {
    const host = item.kind === "function" ? hostImport(item.module, item.name) : undefined;
    if (item.kind !== "function" || host === undefined || `${item.module}.${item.name}` !== subject) return [];
    if (sameType(item.type, host.type)) return [];
    return [`want: ${formatType(item.type)}, but host exports: ${formatType(host.type)}`];
  });
  return `Failed to load Wasm module due to an import type mismatch: ${subject}, ${types[0] ?? ""}`;
}

function exportTypeWords(subject: string, module: ParsedModule, abi: AbiVersion): string {
  const known = [INITIALIZE, START, ...MAIN_FUNCTIONS, ...CALLBACKS].find(
    ({ name, abis }) => name === subject && abis.includes(abi),
  );
  const want = formatType(known?.type ?? ALLOCATOR_TYPE);
  const found = module.exports.find((item) => item.kind === "function" && item.name === subject);
  const has = found?.kind === "function" ? formatType(found.type) : "";
  return `Bad function signature for: ${subject}, want: ${want}, but the module exports: ${has}`;
}
