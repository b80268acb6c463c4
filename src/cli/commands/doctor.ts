import { usageError } from "../../domain/errors.ts";
import { BUILD_LANGUAGES } from "../../toolchain/runner.ts";
import { type CommandSpec, manyArguments } from "../command-spec.ts";
import { versioned } from "../outcome.ts";
import { packageVersion } from "../version.ts";

/** `wasme doctor [LANGUAGE…]`. */
export const doctor: CommandSpec = {
  name: "doctor",
  summary: "Show what this machine can build, and what it lacks",
  description:
    "Look for the tools that each language is built with, try them with three lines, and tell the command that brings " +
    "what is missing on this system. Nothing is downloaded or installed. With languages named, exit code 1 says that " +
    "one of them cannot be built here.",
  examples: [
    { command: "wasme doctor", does: "every language" },
    { command: "wasme doctor rust", does: "can Rust be built here? exit code 0 if so" },
    { command: "wasme doctor go cpp -o json", does: "two of them, for a script" },
    { command: "wasme doctor -q", does: "the languages that can be built, one per line" },
  ],
  arguments: [
    { name: "[language...]", description: `${BUILD_LANGUAGES.join(", ")}; default all`, complete: BUILD_LANGUAGES },
  ],
  options: [],
  async run(context, input) {
    const asked = [...new Set(manyArguments(input, 0))];
    for (const word of asked) await requireLanguage(word);
    const { examineTools } = await import("../../toolchain/examine-tools.ts");
    const { engineReport } = await import("../../toolchain/container/report.ts");
    const { RUNNERS } = await import("../../toolchain/runners.ts");
    const runners = RUNNERS.filter(({ language }) => asked.length === 0 || asked.includes(language));
    const id = "doctor";
    context.events({ type: "task.start", id, message: "Trying the compilers" });
    let ok = false;
    try {
      const result = await examineTools({ ...context, findEngine: engineReport }, runners, asked);
      ok = true;
      const { renderHealth } = await import("../render/result/health.ts");
      const version = packageVersion();
      return {
        json: versioned("DoctorResult", { wasme: version, ...result }),
        names: result.languages.flatMap(({ language, canBuild }) => (canBuild ? [language] : [])),
        text: (style, width) => renderHealth({ wasme: version, ...result }, style, width),
        exitCode: result.ok ? 0 : 1,
      };
    } finally {
      context.events({ type: "task.end", id, ok });
    }
  },
};

async function requireLanguage(word: string): Promise<void> {
  if (BUILD_LANGUAGES.some((language) => language === word)) return;
  const { didYouMean } = await import("../../domain/did-you-mean.ts");
  const meant = word.toLowerCase() === "c++" ? "cpp" : didYouMean(word, BUILD_LANGUAGES);
  throw usageError("LANGUAGE_UNKNOWN", `there is no language ${JSON.stringify(word)} to build`, {
    hint: meant === undefined ? `wasme doctor [${BUILD_LANGUAGES.join("|")}]` : `did you mean ${meant}?`,
  });
}
