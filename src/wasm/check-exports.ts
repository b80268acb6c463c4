import { abiLabel, type AbiVersion } from "../domain/abi-version.ts";
import {
  ALLOCATOR_TYPE,
  ALLOCATORS,
  CALLBACKS,
  type GuestExport,
  INITIALIZE,
  MAIN_FUNCTIONS,
  START,
} from "./callbacks.ts";
import type { DetectedAbi } from "./detect-abi.ts";
import type { ModuleProblem, ModuleReport } from "./module-report.ts";
import type { ParsedModule } from "./parse-module.ts";
import { formatType, type FunctionType, sameType } from "./types.ts";

/** What the exports tell, and what is wrong with them. */
export interface ExportFindings extends Pick<ModuleReport, "allocator" | "entry" | "memory"> {
  readonly problems: readonly ModuleProblem[];
  /** Names of exports with a wrong type. */
  readonly refused: ReadonlySet<string>;
}

/** Pages of 64 KiB: the 1 GiB Envoy gives a module at most. */
const MAX_PAGES = 16_384;

/** Checks marker, entry, allocator, memory and callbacks as a proxy looks them up. */
export function checkExports(module: ParsedModule, detected: DetectedAbi): ExportFindings {
  const functions = new Map<string, FunctionType>();
  for (const item of module.exports) {
    if (item.kind === "function") functions.set(item.name, item.type);
  }
  const entry = entryOf(module, functions);
  const allocator = ALLOCATORS.find((name) => functions.has(name));
  const typed = wrongTypes(functions, [
    ...(allocator === undefined ? [] : [{ name: allocator, type: ALLOCATOR_TYPE }]),
    ...entryExports(functions),
    ...(detected.abi === undefined ? [] : callbacksFor(detected.abi)),
  ]);
  const memory = memoryOf(module);
  const problems = [
    ...(detected.abi === undefined ? [noAbi(detected, functions)] : []),
    ...(allocator === undefined && detected.abi !== undefined ? [NO_ALLOCATOR] : []),
    ...memoryProblems(memory, detected.abi),
    ...typed,
  ];
  return { problems, refused: new Set(typed.map((item) => item.subject ?? "")), allocator, entry, memory };
}

function entryOf(module: ParsedModule, functions: ReadonlyMap<string, FunctionType>): ModuleReport["entry"] {
  if (functions.has(INITIALIZE.name)) return "_initialize";
  if (functions.has(START.name)) return "_start";
  return module.hasStart ? "start-section" : undefined;
}

/** `_start` counts only without `_initialize`, `main` and `__main_void` only with it. */
function entryExports(functions: ReadonlyMap<string, FunctionType>): readonly GuestExport[] {
  return functions.has(INITIALIZE.name) ? [INITIALIZE, ...MAIN_FUNCTIONS] : [START];
}

function callbacksFor(abi: AbiVersion): readonly GuestExport[] {
  return CALLBACKS.filter((item) => item.abis.includes(abi));
}

function wrongTypes(
  functions: ReadonlyMap<string, FunctionType>,
  wanted: readonly Pick<GuestExport, "name" | "type">[],
): readonly ModuleProblem[] {
  return wanted.flatMap(({ name, type }) => {
    const found = functions.get(name);
    if (found === undefined || sameType(found, type)) return [];
    const types = `want: ${formatType(type)}, exported: ${formatType(found)}`;
    return [
      {
        code: "MODULE_EXPORT_TYPE" as const,
        kind: "incompatible" as const,
        message: `exports ${name} with a wrong type (${types})`,
        hint: "use an SDK release that fits the ABI the module declares",
        subject: name,
      },
    ];
  });
}

/** Proxies take any exported memory, whatever its name; an imported one they make themselves. */
function memoryOf(module: ParsedModule): ModuleReport["memory"] {
  const imported = module.imports.some((item) => item.kind === "memory");
  const exported = module.exports.find((item) => item.kind === "memory");
  return module.memories[exported?.index ?? (imported ? 0 : -1)];
}

function memoryProblems(memory: ModuleReport["memory"], abi: AbiVersion | undefined): readonly ModuleProblem[] {
  if (memory === undefined) return abi === undefined ? [] : [NO_MEMORY];
  if (memory.min <= MAX_PAGES) return [];
  const message = `starts with ${memory.min} pages of memory, and proxies give at most ${MAX_PAGES} (1 GiB)`;
  return [
    { code: "MODULE_MEMORY_TOO_LARGE", kind: "incompatible", message, hint: "lower the linker's initial memory" },
  ];
}

const NO_MEMORY: ModuleProblem = {
  code: "MODULE_NO_MEMORY",
  kind: "incompatible",
  message: "exports no memory, and a proxy cannot exchange data with it",
  hint: 'export the memory (most linkers do: look for an option like "--import-memory" or a strip step gone too far)',
};

const NO_ALLOCATOR: ModuleProblem = {
  code: "MODULE_NO_ALLOCATOR",
  kind: "incompatible",
  message: "exports neither malloc nor proxy_on_memory_allocate, and a proxy cannot hand data to it",
  hint: "export one of them; SDKs do, so look for a linker option or a strip step that removes it",
};

function noAbi(detected: DetectedAbi, functions: ReadonlyMap<string, FunctionType>): ModuleProblem {
  const code = "MODULE_NO_ABI" as const;
  const kind = "incompatible" as const;
  const [marker] = detected.markers;
  if (marker !== undefined) {
    const message = `declares ${marker}, which no released proxy knows`;
    return { code, kind, message, hint: `proxies know ${KNOWN}: use an SDK for one of them`, subject: marker };
  }
  const hasCallbacks = [...functions.keys()].some((name) => name.startsWith("proxy_on_"));
  const hint = hasCallbacks
    ? "it has Proxy-Wasm callbacks: export the marker proxy_abi_version_0_2_1 too, or stop the linker from dropping it"
    : 'it is WebAssembly, but no proxy filter: start from "wasme init", or use a Proxy-Wasm SDK';
  return { code, kind, message: "declares no Proxy-Wasm ABI (no proxy_abi_version_… export)", hint };
}

const KNOWN = (["0.1.0", "0.2.0", "0.2.1"] as const).map(abiLabel).join(", ");
