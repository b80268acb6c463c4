import type { AbiVersion } from "../domain/abi-version.ts";
import { findText, findWideText, latin1 } from "./find-text.ts";
import type { ParsedModule } from "./parse-module.ts";
import { type Producer, type Producers, readProducers } from "./producers.ts";
import { SectionId } from "./sections.ts";

/** The languages filters are written in. */
type ModuleLanguage = "rust" | "go" | "tinygo" | "cpp" | "c" | "assemblyscript" | "zig";

/** A name with the version as far as the module tells it. */
interface NamedVersion {
  readonly name: string;
  readonly version: string | undefined;
}

/** Where a module comes from, as far as its bytes tell; stripped modules tell little. */
export interface ModuleOrigin {
  readonly language: ModuleLanguage | undefined;
  /** The compiler: `rustc 1.95.0`. */
  readonly compiler: NamedVersion | undefined;
  /** The Proxy-Wasm SDK: `proxy-wasm 0.2.5`. */
  readonly sdk: NamedVersion | undefined;
}

/** The package name of Solo's AssemblyScript SDK. */
export const SOLO_SDK = "@solo-io/proxy-runtime";

/** Strings are looked for in this many bytes of data, no more: enough for every SDK, bounded for huge modules. */
const SCAN_LIMIT = 32 * 1024 * 1024;

/** Tells language, compiler and SDK from the producers section, exports, imports and the strings in the data. */
export function detectOrigin(module: ParsedModule, abi: AbiVersion | undefined): ModuleOrigin {
  const clues: Clues = {
    module,
    abi,
    producers: readProducers(module),
    data: dataOf(module),
    exports: new Set(module.exports.map((item) => item.name)),
  };
  const language = LANGUAGES.find(([, test]) => test(clues))?.[0];
  if (language === undefined) return { language, compiler: undefined, sdk: undefined };
  return { language, compiler: COMPILERS[language](clues), sdk: SDKS[language]?.(clues) };
}

interface Clues {
  readonly module: ParsedModule;
  readonly abi: AbiVersion | undefined;
  readonly producers: Producers;
  readonly data: Uint8Array;
  readonly exports: ReadonlySet<string>;
}

/** In this order: Rust and TinyGo also carry clang's mark. */
const LANGUAGES: readonly (readonly [ModuleLanguage, (clues: Clues) => boolean])[] = [
  ["tinygo", (clues) => tool(clues, /^tinygo$/iu) !== undefined || looksLikeTinyGo(clues)],
  [
    "go",
    (clues) => writtenIn(clues, /^Go$/u) !== undefined || has(clues, "Go build ID: ") || custom(clues, "go:buildid"),
  ],
  ["rust", (clues) => writtenIn(clues, /^Rust$/u) !== undefined || has(clues, "/rustc/")],
  ["assemblyscript", (clues) => findWideText(clues.data, "~lib/") !== -1 || looksLikeAssemblyScript(clues)],
  ["zig", (clues) => writtenIn(clues, /^Zig$/iu) !== undefined],
  ["cpp", (clues) => writtenIn(clues, /^C_plus_plus/u) !== undefined || looksLikeCpp(clues)],
  ["c", (clues) => writtenIn(clues, /^C\d/u) !== undefined || tool(clues, /clang/u) !== undefined],
];

const COMPILERS: Readonly<Record<ModuleLanguage, (clues: Clues) => NamedVersion | undefined>> = {
  tinygo: (clues) => named("tinygo", tool(clues, /^tinygo$/iu)),
  go: (clues) => named("go", tool(clues, /^Go /u) ?? writtenIn(clues, /^Go$/u)),
  rust: (clues) => named("rustc", tool(clues, /^rustc$/u)),
  assemblyscript: () => ({ name: "asc", version: undefined }),
  zig: (clues) => named("zig", tool(clues, /^zig$/iu)),
  cpp: clang,
  c: clang,
};

const SDKS: Readonly<Partial<Record<ModuleLanguage, (clues: Clues) => NamedVersion | undefined>>> = {
  rust: (clues) => {
    const at = findText(clues.data, "/proxy-wasm-");
    const version =
      at === -1 ? undefined : /^\/proxy-wasm-(\d+\.\d+\.\d+[\w.+-]*)\//u.exec(latin1(clues.data, at, 60))?.[1];
    if (version !== undefined) return { name: "proxy-wasm", version };
    return has(clues, "proxy_wasm") || has(clues, "proxy-wasm")
      ? { name: "proxy-wasm", version: undefined }
      : undefined;
  },
  go: (clues) => goModule(clues),
  tinygo: (clues) => goModule(clues) ?? { name: "proxy-wasm-go-sdk", version: undefined },
  cpp: (clues) => {
    const sdk = clues.exports.has("proxy_validate_configuration") && clues.exports.has("proxy_on_response_metadata");
    return sdk ? { name: "proxy-wasm-cpp-sdk", version: undefined } : undefined;
  },
  assemblyscript: (clues) => (isSoloSdk(clues) ? { name: SOLO_SDK, version: soloVersion(clues.abi) } : undefined),
};

function goModule(clues: Clues): NamedVersion | undefined {
  for (const path of GO_SDKS) {
    const at = findText(clues.data, `dep\t${path}\t`);
    if (at === -1) continue;
    const version = latin1(clues.data, at, 200).split(/[\t\n]/u)[2];
    return { name: path, version };
  }
  return GO_SDKS.filter((path) => has(clues, path)).map((name) => ({ name, version: undefined }))[0];
}

const GO_SDKS = [
  "github.com/proxy-wasm/proxy-wasm-go-sdk",
  "github.com/tetratelabs/proxy-wasm-go-sdk",
  "github.com/higress-group/proxy-wasm-go-sdk",
];

/** TinyGo's runtime exports the allocator under both names and is started by `_start` (or its newer `_initialize`). */
function looksLikeTinyGo(clues: Clues): boolean {
  if (has(clues, "tinygo")) return true;
  return clues.exports.has("malloc") && clues.exports.has("calloc") && clues.exports.has("proxy_on_memory_allocate");
}

/** Code in the start section, no entry function, and the one WASI import that `abort` is mapped to. */
function looksLikeAssemblyScript(clues: Clues): boolean {
  if (clues.module.imports.some((item) => item.module === "env" && ASC_IMPORTS.has(item.name))) return true;
  return clues.exports.has("__new") && clues.exports.has("__pin");
}

const ASC_IMPORTS: ReadonlySet<string> = new Set(["abort", "seed", "console.log"]);

function looksLikeCpp(clues: Clues): boolean {
  if (clues.exports.has("emscripten_stack_get_current") || clues.exports.has("__emscripten_stack_alloc")) return true;
  return (
    clues.module.imports.some((item) => item.name === "emscripten_notify_memory_growth") || has(clues, "N10__cxxabiv1")
  );
}

/** Solo's SDK exports one callback under a name of its own. */
function isSoloSdk(clues: Clues): boolean {
  return clues.exports.has("proxy_on_grpc_trailing_metadata") && clues.exports.has("free");
}

/** Each release line of that SDK speaks its own ABI. */
function soloVersion(abi: AbiVersion | undefined): string | undefined {
  if (abi === "0.1.0") return "0.1.1";
  return abi === "0.2.0" ? "0.1.8" : undefined;
}

function clang(clues: Clues): NamedVersion | undefined {
  const found = tool(clues, /clang/u);
  if (found === undefined) return undefined;
  return { name: "clang", version: /\d+\.\d+(?:\.\d+)?/u.exec(`${found.name} ${found.version}`)?.[0] };
}

function named(name: string, producer: Producer | undefined): NamedVersion | undefined {
  if (producer === undefined) return { name, version: undefined };
  return { name, version: /\d+(?:\.\d+)+[\w.+-]*/u.exec(producer.version)?.[0] };
}

function writtenIn(clues: Clues, pattern: RegExp): Producer | undefined {
  return clues.producers.languages.find((item) => pattern.test(item.name));
}

function tool(clues: Clues, pattern: RegExp): Producer | undefined {
  return clues.producers.tools.find((item) => pattern.test(item.name));
}

function custom(clues: Clues, name: string): boolean {
  return clues.module.sections.some((section) => section.name === name);
}

function has(clues: Clues, text: string): boolean {
  return findText(clues.data, text) !== -1;
}

function dataOf(module: ParsedModule): Uint8Array {
  const section = module.sections.find((item) => item.id === SectionId.data);
  if (section === undefined) return new Uint8Array();
  return module.bytes.subarray(section.start, Math.min(section.end, section.start + SCAN_LIMIT));
}
