import { abiLabel, type AbiVersion } from "../domain/abi-version.ts";
import { hostImport, PROXY_MODULE, WASI_MODULES } from "./host-imports.ts";
import { HIGRESS } from "./hosts/host-history.ts";

/** What to do about an import no proxy offers, in one line; `undefined` when nothing sensible can be said. */
export function adviseOnImport(module: string, name: string, abi: AbiVersion | undefined): string | undefined {
  return (
    EXACT[`${module}.${name}`] ?? otherAbi(module, name, abi) ?? otherModule(module, name) ?? byModule(module, name)
  );
}

const EXACT: Readonly<Record<string, string>> = {
  "env.abort": 'compile with "--use abort=abort_proc_exit" (old SDK) or "--use abort=" (AssemblyScript)',
  "env.seed": 'Math.random needs a seed of your own: compile with "--use seed=<your function>", or do not use it',
  "env.console.log": "console.log does not exist in a proxy: log with the SDK's log function",
  "env.trace": "trace() does not exist in a proxy: log with the SDK's log function",
  "env.memory": "compile without --importMemory: the module must bring its own memory",
};

function otherAbi(module: string, name: string, abi: AbiVersion | undefined): string | undefined {
  const known = hostImport(module, name);
  if (known === undefined || abi === undefined || known.abis.includes(abi)) return undefined;
  const where = known.abis.map(abiLabel).join(" and ");
  return `${name} exists only in ABI ${where}, and the module declares ${abiLabel(abi)}: use one SDK release throughout`;
}

function otherModule(module: string, name: string): string | undefined {
  const right = [PROXY_MODULE, ...WASI_MODULES].find((other) => hostImport(other, name) !== undefined);
  return right === undefined || right === module
    ? undefined
    : `proxies offer it as ${right}.${name}: import it from there`;
}

interface Rule {
  readonly test: (module: string, name: string) => boolean;
  readonly advice: string;
}

const RULES: readonly Rule[] = [
  {
    test: (module, name) => module === PROXY_MODULE && HIGRESS.own.has(name),
    advice: "only Higress has this host call: for other proxies build without it, for Higress store it with --no-check",
  },
  {
    test: (module) => module === "gojs" || module === "go",
    advice: "this is Go for browsers: build with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared",
  },
  {
    test: (module) => module.startsWith("__wbindgen") || module === "wbg" || module.startsWith("./"),
    advice: "a dependency uses wasm-bindgen, which is for browsers: switch its JavaScript feature off",
  },
  {
    test: (module) => module.startsWith("wasi:") || module.startsWith("cm32p2"),
    advice: "this is a component import: build a core module, for Rust with --target wasm32-wasip1",
  },
  {
    test: (module) => WASI_MODULES.includes(module),
    advice: "proxies do not offer this WASI function: leave out the code that needs it",
  },
  {
    test: (module, name) => module === "wasi" && name === "thread-spawn",
    advice: "proxies run modules on one thread: build without threads",
  },
  {
    test: (module, name) => module === PROXY_MODULE && name.startsWith("proxy_"),
    advice: "no released proxy has this host call: use an SDK for ABI v0.2.1",
  },
  {
    test: (module, name) =>
      module === PROXY_MODULE && /^(?:__cxa_|_?emscripten_|__syscall_|invoke_|_embind)/u.test(name),
    advice: "this needs Emscripten's JavaScript: link with -sSTANDALONE_WASM and without exceptions or file access",
  },
  {
    test: (module) => module === PROXY_MODULE,
    advice: "the linker left this function open: define it or link the library that has it",
  },
];

function byModule(module: string, name: string): string | undefined {
  return RULES.find((rule) => rule.test(module, name))?.advice;
}
