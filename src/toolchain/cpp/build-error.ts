import { WasmeError } from "../../domain/errors.ts";
import { type Said, saidSuffix } from "../said.ts";

/** A compilation that failed. */
export interface CppFailure {
  /** What the compiler and the linker printed. */
  readonly said: string;
  readonly exitCode: number | undefined;
  /** Compiler and version. */
  readonly label: string;
  /** Whether npm clang ran, which sees nothing outside the project. */
  readonly npm: boolean;
}

/** Turns what a compiler said into one sentence and what to do about it; its own lines have been shown already. */
export async function cppError(failure: CppFailure): Promise<WasmeError> {
  const { said, label, exitCode } = failure;
  const known = KNOWN.map(({ pattern, hint }) => ({ match: pattern.exec(said), hint })).find(
    ({ match }) => match !== null,
  );
  const errors = errorsIn(said);
  const what =
    errors.first === undefined && exitCode === undefined ? `${label} was ended` : "cannot compile the filter";
  const hint = known?.match == null ? `${label} was used; it shows the places above` : known.hint(known.match, failure);
  return await Promise.resolve(
    new WasmeError("build-failed", "COMPILE_FAILED", `${what}${saidSuffix(errors)}`, {
      hint,
      details: { compiler: label },
    }),
  );
}

/** `src/filter.cc:3:5: error: …` of compilers, `wasm-ld: error: …` of linkers, `RangeError: …` of one that broke. */
function errorsIn(said: string): Said {
  const lines = said.split("\n").map((line) => line.trim());
  const errors = lines.filter((line) => /(?:^|\s)(?:fatal )?error: /u.test(line) && !ENDINGS.test(line));
  const first = errors[0] ?? lines.find((line) => /^\w*Error\b/u.test(line));
  return { first: first?.replace(OBJECT_FILE, ""), count: errors.length };
}

/** What drivers say when something else has failed. */
const ENDINGS = /linker command failed|use -v to see invocation/u;

/** Temporary files mean nothing to anybody. */
const OBJECT_FILE = /\S+\.(?:o|tmp): (?=undefined)/u;

interface KnownFailure {
  readonly pattern: RegExp;
  readonly hint: (match: RegExpExecArray, failure: CppFailure) => string;
}

/** Looked for in this order. */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern: /'([^'\n]+)' file not found/u,
    hint: ([, name = ""], { npm, label }) =>
      npm
        ? `${label} sees the project's own files and the C++ library: put ${name} into the project, and name its folder in compile_flags.txt (-Iinclude)`
        : `name the folder of ${name} in compile_flags.txt (-Iinclude); ${label} was used`,
  },
  {
    pattern: /undefined symbol: (\S+)/u,
    hint: ([, name = ""]) =>
      name.startsWith("proxy_")
        ? `a host function is declared without its import: take proxy-wasm.h, or add __attribute__((import_module("env"), import_name("${name}")))`
        : "is the file that defines it below src/? all C and C++ files there are compiled, and only those",
  },
  {
    pattern: /cannot use '(?:throw|try)' with exceptions disabled/u,
    hint: () => "a proxy cannot unwind a module: return a std::optional or an error value instead",
  },
  {
    pattern: /use of (?:dynamic_cast|typeid) requires -frtti/u,
    hint: () => "add -frtti to compile_flags.txt, or take static_cast",
  },
  {
    pattern: /initial memory too small|INITIAL_MEMORY/u,
    hint: () => "the filter's static data does not fit: make it smaller, or take clang++ or npm clang",
  },
  {
    pattern: /duplicate export/u,
    hint: () => "two functions have the same export_name; callbacks are exported by proxy-wasm.h",
  },
];
