import { type CppProject, isC } from "./project.ts";

/** One call of a compiler. */
export interface CompileStep {
  /** True for `clang`, which takes C for what it is; false for `clang++`. */
  readonly c: boolean;
  /** Everything behind the program's name; sources are relative to the project. */
  readonly args: readonly string[];
}

/** What a compiler needs to be told to make a filter. */
export interface CompilerFlags {
  /** For each file: the target and where its system is. */
  readonly compile: readonly string[];
  /** For the module. */
  readonly link: readonly string[];
}

/** What clang and lld are told beside the target, natively and from npm. */
export const CLANG_LINK: readonly string[] = ["-mexec-model=reactor", "-Wl,-z,stack-size=65536", "-Wl,--strip-all"];

/** What every compiler is told; the project's own flags come behind and win. */
export const COMMON: readonly string[] = ["-fno-exceptions", "-Oz", "-flto"];

/** What it is told of C++ files. */
export const COMMON_CPP: readonly string[] = ["-std=c++17", "-fno-rtti"];

/**
 * The calls that make a module of a project: C files one by one, then the C++ files and the module at once. Sources are
 * named as they are seen from the project's folder.
 *
 * @param outDir Where object files go: as the compiler sees it, with `/` at the end.
 */
export function compileSteps(
  project: Pick<CppProject, "sources" | "flags">,
  flags: CompilerFlags,
  outDir: string,
): readonly CompileStep[] {
  const forC = project.flags.filter((flag) => !/^(?:-std=(?:c|gnu)\+\+|-fno-rtti|-frtti)/u.test(flag));
  // A file's name is no option, and no file of options.
  const sources = project.sources.map((source) => (/^[-@]/u.test(source) ? `./${source}` : source));
  const c = sources.filter((source) => isC(source));
  const objects = c.map((_, index) => `${outDir}c-${index}.o`);
  const steps = c.map((source, index) => {
    const args = [...flags.compile, ...COMMON, ...forC, "-c", source, "-o", objects[index] ?? ""];
    return { c: true, args };
  });
  const cpp = sources.filter((source) => !isC(source));
  const common = [...flags.compile, ...COMMON, ...COMMON_CPP, ...project.flags];
  const args = [...common, ...flags.link, ...cpp, ...objects, "-o", `${outDir}filter.wasm`];
  return [...steps, { c: false, args }];
}
