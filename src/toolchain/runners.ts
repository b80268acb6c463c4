import { usageError } from "../domain/errors.ts";
import { assemblyscript } from "./assemblyscript/runner.ts";
import { cpp } from "./cpp/runner.ts";
import { go } from "./go/runner.ts";
import { rust } from "./rust/runner.ts";
import { tinygo } from "./tinygo/runner.ts";
import { BUILD_LANGUAGES, type ToolchainRunner } from "./runner.ts";

/** Every language `build` knows, in the order they are listed. */
export const RUNNERS: readonly ToolchainRunner[] = [assemblyscript, rust, go, tinygo, cpp];

/** The runner of a language. Throws `LANGUAGE_UNKNOWN` (usage). */
export function runnerOf(language: string): ToolchainRunner {
  const found = RUNNERS.find((runner) => runner.language === language);
  if (found !== undefined) return found;
  throw usageError("LANGUAGE_UNKNOWN", `cannot build ${JSON.stringify(language)}`, {
    hint: `languages: ${BUILD_LANGUAGES.join(", ")}; for a compiled module: wasme build precompiled FILE -t REF`,
  });
}
