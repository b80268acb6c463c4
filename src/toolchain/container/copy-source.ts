import { cp, lstat } from "node:fs/promises";
import { relative, sep } from "node:path";
import { writeError } from "../../platform/atomic-file.ts";
import type { BuildLanguage } from "../runner.ts";

/**
 * Copies a project for a builder that writes beside the sources, without what can be made anew: installed packages,
 * version control, results of earlier builds. Times stay, because tools compare them. Throws `DISK_FULL` and the like.
 */
export async function copySource(language: BuildLanguage, from: string, to: string): Promise<void> {
  const made = MADE[language];
  try {
    await cp(from, to, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      filter: async (path) => {
        const parts = relative(from, path).split(sep);
        const name = parts.at(-1) ?? "";
        if (NEVER.has(name) || (parts.length === 1 && (name === made || name.startsWith("bazel-")))) return false;
        const found = await lstat(path);
        // Sockets and pipes cannot be copied, and are no sources.
        return found.isFile() || found.isDirectory() || found.isSymbolicLink();
      },
    });
  } catch (error) {
    throw writeError(error, to);
  }
}

const NEVER: ReadonlySet<string> = new Set(["node_modules", ".git", ".hg", ".svn"]);

/** Where a language's tools leave their results. */
const MADE: Readonly<Partial<Record<BuildLanguage, string>>> = { assemblyscript: "build", rust: "target" };
