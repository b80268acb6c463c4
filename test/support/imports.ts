import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** One import found in a source file. */
export interface ImportFound {
  /** Relative to the source folder, `/`-separated. */
  readonly file: string;
  /** As written: `../domain/errors.ts`, `node:fs`, `execa`. */
  readonly specifier: string;
  /** For relative imports: the file meant, relative to the source folder. */
  readonly target: string | undefined;
}

/** All TypeScript files below `root`. */
export function sourceFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.replaceAll("\\", "/"));
}

/** Every import of a file: static, re-export, type-only, dynamic, and `import()` inside a type. */
export function importsOf(
  root: string,
  file: string,
  text: string = readFileSync(join(root, file), "utf8"),
): ImportFound[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//gu, "").replaceAll(/^\s*\/\/.*$/gmu, "");
  const found = code.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/gu);
  return [...found].map(([, specifier = ""]) => ({
    file,
    specifier,
    target: specifier.startsWith(".")
      ? relative(root, join(root, dirname(file), specifier)).replaceAll("\\", "/")
      : undefined,
  }));
}

/** Breaches of the import rule: sideways or up between rooms, or out of the source folder. */
export function breaches(imports: readonly ImportFound[], floors: readonly (readonly string[])[]): string[] {
  const floorOf = (room: string): number => floors.findIndex((floor) => floor.includes(room));
  return imports.flatMap(({ file, specifier, target }) => {
    if (target === undefined) return [];
    if (target.startsWith("..")) return [`${file}: ${specifier} leaves the source folder`];
    const [from = "", to = ""] = [file, target].map((path) => (path.includes("/") ? path.split("/")[0] : ""));
    if (from === "" || from === to) return [];
    if (floorOf(from) === -1 || floorOf(to) === -1) return [`${file}: ${specifier}: a room without a floor`];
    return floorOf(to) < floorOf(from)
      ? []
      : [`${file} (floor ${floorOf(from)}) imports ${specifier} (floor ${floorOf(to)})`];
  });
}
