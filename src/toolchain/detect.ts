import { stat } from "node:fs/promises";
import { errnoOf, usageError } from "../domain/errors.ts";
import type { ToolchainRunner } from "./runner.ts";

/**
 * Makes sure that `source` (absolute) is a folder. Throws `SOURCE_NOT_FOUND` or `SOURCE_NOT_A_FOLDER` (usage).
 */
export async function checkSource(source: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(source)).isDirectory();
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "does not exist" : "cannot be read";
    throw usageError("SOURCE_NOT_FOUND", `the source folder ${source} ${why}`, {
      hint: "name the project's folder, or start one: wasme init",
      cause: error,
    });
  }
  if (isFolder) return;
  throw usageError("SOURCE_NOT_A_FOLDER", `${source} is a file; build takes a project folder`, {
    hint: "for a compiled module: wasme build precompiled FILE -t REF",
  });
}

/**
 * Finds out which language the project in `source` (absolute) is written in, by its files. Throws
 * `LANGUAGE_NOT_RECOGNISED` when no runner knows it and `LANGUAGE_AMBIGUOUS` when several do (usage).
 */
export async function detectLanguage(source: string, runners: readonly ToolchainRunner[]): Promise<ToolchainRunner> {
  const seen = await Promise.all(runners.map(async (runner) => ({ runner, mark: await runner.detect(source) })));
  const found = seen.filter((item) => item.mark !== undefined);
  const [only, second] = found;
  if (only === undefined) {
    const marks = runners.map((runner) => `${runner.language} (${runner.marks})`).join(", ");
    throw usageError("LANGUAGE_NOT_RECOGNISED", `no project of a known language in ${source}`, {
      hint: `recognised: ${marks}; for a compiled module: wasme build precompiled FILE -t REF`,
    });
  }
  if (second === undefined) return only.runner;
  const list = found.map(({ runner, mark }) => `${runner.language} (${mark})`).join(" and ");
  throw usageError("LANGUAGE_AMBIGUOUS", `the project in ${source} could be ${list}`, {
    hint: `name the language: wasme build ${only.runner.language} DIR -t REF`,
  });
}
