import type { AbiVersion } from "../domain/abi-version.ts";
import { MalformedModule } from "../wasm/binary-reader.ts";
import { CALLBACKS, INITIALIZE, MAIN_FUNCTIONS, START } from "../wasm/callbacks.ts";
import { checkExports, type ExportFindings } from "../wasm/check-exports.ts";
import { checkImports } from "../wasm/check-imports.ts";
import { detectAbi } from "../wasm/detect-abi.ts";
import { fileKind } from "../wasm/file-kind.ts";
import { hostImport, PROXY_MODULE } from "../wasm/host-imports.ts";
import type { ModuleProblem } from "../wasm/module-report.ts";
import { type ParsedModule, parseModule } from "../wasm/parse-module.ts";
import { malformed, notAModule } from "../wasm/unreadable-module.ts";
import type { HostModule, ModuleMemory, UnknownImport } from "./host-module.ts";
import { interruptible } from "./interruptible.ts";
import { limitMemory } from "../wasm/limit-memory.ts";
import { ModuleRefused } from "./module-refused.ts";
import { envoyWords } from "./module-words.ts";
import { profileOf, type ProfileName } from "./profile.ts";
import { MOST_ELEMENTS, possibleElements } from "./table-limit.ts";
import { webAssembly, type WasmModule } from "./webassembly.ts";

/** How a module is taken. */
export interface LoadOptions {
  /** Whose limits hold; default `envoy`. */
  readonly profile?: ProfileName | undefined;
  /** Answers functions named `proxy_…` that no proxy has with Unimplemented and a report, instead of refusing the module. */
  readonly stubUnknown?: boolean | undefined;
  /** Pages of 64 KiB the memory may grow to; at most, and by default, the profile's. */
  readonly maxMemoryPages?: number | undefined;
}

/**
 * Checks a module as Envoy does, the types of imports and exports too, and compiles it. A browser's page may refuse to
 * compile a large one synchronously: use {@link loadModuleAsync} there. Throws {@link ModuleRefused}.
 */
export function loadModule(bytes: Uint8Array, options: LoadOptions = {}): HostModule {
  const prepared = prepare(bytes, options);
  try {
    return prepared.finish(new (webAssembly().Module)(prepared.bytes));
  } catch (error) {
    throw notCompiled(error);
  }
}

/** As {@link loadModule}; compiles beside the caller. Rejects with {@link ModuleRefused}. */
export async function loadModuleAsync(bytes: Uint8Array, options: LoadOptions = {}): Promise<HostModule> {
  const prepared = prepare(bytes, options);
  try {
    return prepared.finish(await webAssembly().compile(prepared.bytes));
  } catch (error) {
    throw notCompiled(error);
  }
}

interface Prepared {
  readonly bytes: Uint8Array;
  finish(compiled: WasmModule): HostModule;
}

function prepare(bytes: Uint8Array, options: LoadOptions): Prepared {
  const profile = profileOf(options.profile ?? "envoy");
  if (profile.maxModuleBytes !== undefined && bytes.length > profile.maxModuleBytes) {
    const message = `is ${bytes.length} bytes long, and the ${profile.name} profile takes at most ${profile.maxModuleBytes}`;
    const hint = "strip it and optimise for size";
    throw new ModuleRefused(`the module ${message}`, [
      { code: "MODULE_TOO_LARGE", kind: "incompatible", message, hint },
    ]);
  }
  const pages = Math.min(options.maxMemoryPages ?? profile.maxMemoryPages, profile.maxMemoryPages);
  const module = parse(bytes);
  const detected = detectAbi(module.exports);
  const findings = checkExports(module, detected);
  const { abi } = detected;
  if (abi === undefined) throw new ModuleRefused("Missing or unknown Proxy-Wasm ABI version", findings.problems);
  const unknown = options.stubUnknown === true ? unknownImports(module, abi) : [];
  const stubbed = new Set(unknown.map((item) => `${item.module}.${item.name}`));
  const problems = [
    ...checkImports(module.imports, abi).filter((problem) => !stubbed.has(problem.subject ?? "")),
    ...findings.problems,
  ];
  const [first] = problems;
  if (first !== undefined) throw new ModuleRefused(envoyWords(first, module, abi), problems);
  checkTables(module);
  const limited = limit(module, pages);
  const memory = memoryOf(module, pages);
  return {
    bytes: limited,
    finish: (compiled) => ({
      ...describe(module, findings, abi),
      compiled,
      key: `${bytes.length}-${hash(bytes)}-${pages}-${profile.name}-${stubbed.size}`,
      size: bytes.length,
      profile: profile.name,
      memory,
      unknownImports: unknown,
      imports: importNames(module).filter((name) => !stubbed.has(name)),
    }),
  };
}

/** A table beyond what engines have, or more tables than the heap of a thread holds. */
function checkTables(module: ParsedModule): void {
  const elements = possibleElements(module);
  if (elements <= MOST_ELEMENTS) return;
  const message = `may fill tables with ${elements} elements, and ${MOST_ELEMENTS} are allowed`;
  const hint = "give its tables a maximum";
  throw new ModuleRefused(`the module ${message}`, [
    { code: "MODULE_TABLES_TOO_LARGE", kind: "incompatible", message, hint },
  ]);
}

function describe(
  module: ParsedModule,
  findings: ExportFindings,
  abi: AbiVersion,
): Pick<HostModule, "abi" | "allocator" | "startSection" | "entry" | "main" | "callbacks" | "tables"> {
  const exported = new Set(module.exports.flatMap((item) => (item.kind === "function" ? [item.name] : [])));
  const entry = [INITIALIZE.name, START.name].find((name) => exported.has(name));
  const main = entry === INITIALIZE.name ? MAIN_FUNCTIONS.find(({ name }) => exported.has(name)) : undefined;
  return {
    abi,
    allocator: findings.allocator ?? "malloc",
    startSection: module.hasStart,
    entry: entry as HostModule["entry"],
    main: main?.name as HostModule["main"],
    callbacks: CALLBACKS.flatMap(({ name, abis }) => (abis.includes(abi) && exported.has(name) ? [name] : [])),
    tables: module.imports.flatMap((item) => (item.kind === "table" ? [{ module: item.module, name: item.name }] : [])),
  };
}

function parse(bytes: Uint8Array): ParsedModule {
  const kind = fileKind(bytes);
  if (kind.kind !== "module") throw unreadable(notAModule(kind));
  try {
    return parseModule(bytes);
  } catch (error) {
    throw error instanceof MalformedModule ? unreadable(malformed(error)) : error;
  }
}

function unreadable(problem: ModuleProblem): ModuleRefused {
  return new ModuleRefused("Failed to parse corrupted Wasm module", [problem]);
}

/** What is compiled: it can be ended at any time, and its memory grows no further than it may. */
function limit(module: ParsedModule, pages: number): Uint8Array {
  try {
    return limitMemory(interruptible(module), pages);
  } catch (error) {
    if (error instanceof MalformedModule) throw notCompiled(error);
    throw error;
  }
}

function notCompiled(error: unknown): unknown {
  if (!(error instanceof MalformedModule || error instanceof webAssembly().CompileError)) return error;
  const message = `is corrupted: ${error.message}`;
  const hint = "build or download it again";
  return new ModuleRefused(
    "Failed to load Wasm bytecode",
    [{ code: "MODULE_INVALID", kind: "usage", message, hint }],
    error,
  );
}

/** Whatever memory is exported, whatever its name; an imported one otherwise. */
function memoryOf(module: ParsedModule, pages: number): ModuleMemory {
  const exported = module.exports.find((item) => item.kind === "memory");
  const imported = module.imports.find((item) => item.kind === "memory");
  const limits = module.memories[exported?.index ?? 0];
  const initialPages = limits?.min ?? 0;
  if (initialPages > pages) {
    const message = `starts with ${initialPages} pages of memory, and ${pages} are allowed`;
    const hint = "lower the linker's initial memory";
    throw new ModuleRefused(`the module ${message}`, [
      { code: "MODULE_MEMORY_TOO_LARGE", kind: "incompatible", message, hint },
    ]);
  }
  return {
    exported: exported?.name,
    imported: imported === undefined ? undefined : { module: imported.module, name: imported.name },
    initialPages,
    maximumPages: Math.min(limits?.max ?? pages, pages),
  };
}

function importNames(module: ParsedModule): string[] {
  const names = module.imports.flatMap((item) => (item.kind === "function" ? [`${item.module}.${item.name}`] : []));
  return [...new Set(names)];
}

function unknownImports(module: ParsedModule, abi: AbiVersion): UnknownImport[] {
  return module.imports.flatMap((item) => {
    if (item.kind !== "function" || item.module !== PROXY_MODULE || !item.name.startsWith("proxy_")) return [];
    if (hostImport(item.module, item.name)?.abis.includes(abi) === true) return [];
    return [{ module: item.module, name: item.name, result: item.type.results[0] as UnknownImport["result"] }];
  });
}

/** Tells modules apart that one host loads; not safe against whoever wants two to look the same. */
function hash(bytes: Uint8Array): string {
  let one = 0x811c_9dc5;
  let two = 0x9e37_79b9;
  const words = bytes.byteOffset % 4 === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : [];
  // Not by its iterator, which takes twice as long.
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? 0;
    one = Math.imul(one ^ word, 0x0100_0193);
    two = Math.imul(two + word, 0x85eb_ca6b) ^ (two >>> 13);
  }
  for (let at = words.length * 4; at < bytes.length; at += 1) {
    one = Math.imul(one ^ (bytes[at] ?? 0), 0x0100_0193);
    two = Math.imul(two + (bytes[at] ?? 0), 0x85eb_ca6b) ^ (two >>> 13);
  }
  return `${(one >>> 0).toString(16)}${(two >>> 0).toString(16)}`;
}
