import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a `go.mod` says, as far as building needs it. */
export interface GoMod {
  /** Version of each module that is required directly, by path. */
  readonly requires: ReadonlyMap<string, string>;
  /** The `go` line: `1.24.0`. */
  readonly go: string | undefined;
}

/** The SDK of a project. */
export interface GoSdk {
  readonly language: "go" | "tinygo";
  readonly module: string;
  readonly version: string;
}

/** Reads `go.mod` in a folder; `undefined` when there is none. */
export async function readGoMod(folder: string): Promise<GoMod | undefined> {
  const text = await readFile(join(folder, "go.mod"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseGoMod(text);
}

/** Reads the text of a `go.mod` (go.dev/ref/mod, "go.mod files"). Indirect requirements are left out. */
export function parseGoMod(text: string): GoMod {
  const requires = new Map<string, string>();
  let block: string | undefined;
  let go: string | undefined;
  for (const line of text.split("\n")) {
    if (/\/\/\s*indirect\b/u.test(line)) continue;
    const words = line
      .replace(/\/\/.*$/u, "")
      .trim()
      .split(/\s+/u);
    if (words[0] === ")") block = undefined;
    else if (words[1] === "(") block = words[0];
    else {
      const [verb, first, second] = block === undefined ? words : [block, ...words];
      if (verb === "require" && first !== undefined && second !== undefined) requires.set(unquote(first), second);
      if (verb === "go") go = first;
    }
  }
  return { requires, go };
}

/**
 * The Proxy-Wasm SDK a project is written with, which decides the compiler: those for TinyGo do not build with Go, nor
 * the other way round. `undefined` when there is none.
 */
export function sdkOf(mod: GoMod): GoSdk | undefined {
  const found = [...mod.requires].find(([module]) => SDK.test(module));
  if (found === undefined) return undefined;
  const [module, version] = found;
  return { language: TINYGO_SDK.test(module) ? "tinygo" : "go", module, version };
}

const SDK = /\/proxy-wasm-go(?:-sdk)?(?:\/v\d+)?$|^github\.com\/higress-group\/wasm-go$/u;
const TINYGO_SDK = /^github\.com\/(?:tetratelabs|mathetake)\//u;

function unquote(word: string): string {
  return word.replaceAll(/^["`]|["`]$/gu, "");
}
