import { NPM_CLANG } from "./cpp/project.ts";
import { RUST_TARGETS } from "./rust/toolchain.ts";
import type { Builder, BuildLanguage, ToolReport } from "./runner.ts";

/** How a language can be built: by tools of the machine, by npm packages, or in a container. */
export type Way = Exclude<Builder, "auto">;

/** The ways to build a language that serve, by what is there of its tools; best first. */
export function waysOf(
  language: BuildLanguage,
  tools: readonly ToolReport[],
  engine: ToolReport | undefined,
): readonly Way[] {
  const there = new Set(tools.filter(({ state }) => state === "ok").map(({ tool }) => tool));
  return [
    ...(NATIVE[language](there) ? (["native"] as const) : []),
    ...(NPM[language]?.some((tool) => there.has(tool)) === true ? (["npm"] as const) : []),
    ...(engine?.state === "ok" ? (["container"] as const) : []),
  ];
}

const NATIVE: Readonly<Record<BuildLanguage, (there: ReadonlySet<string>) => boolean>> = {
  assemblyscript: () => false,
  rust: (there) => there.has("cargo") && RUST_TARGETS.some((target) => there.has(target)),
  go: (there) => there.has("go"),
  tinygo: (there) => there.has("tinygo"),
  // Whatever it is called, it is a compiler.
  cpp: (there) => [...there].some((tool) => !["make", "cmake", NPM_CLANG].includes(tool)),
};

const NPM: Readonly<Partial<Record<BuildLanguage, readonly string[]>>> = {
  assemblyscript: ["npm"],
  cpp: [NPM_CLANG],
};
