import { relative } from "node:path";
import { envValue, type Env } from "../../platform/env.ts";
import { readAsProject } from "../assemblyscript/project.ts";
import { outputsOf } from "../assemblyscript/run-script.ts";
import type { BuildLanguage } from "../runner.ts";
import { CACHE, type ContainerPlan, OUTPUT, type PlanRequest } from "./plan.ts";

/**
 * A build by an image that knows how: it finds the project in `/src/workspace`, is told by variables what it is, and
 * leaves `/build_output/filter.wasm`. The same as with the old tool.
 */
export async function planBuilder(work: PlanRequest, env: Env): Promise<ContainerPlan> {
  const { language, folder, request, image } = work;
  const output = language === "assemblyscript" ? await npmOutput(folder, env) : undefined;
  return {
    script: undefined,
    env: {
      BUILD_TOOL: BUILD_TOOL[language],
      ...(BAZEL_TARGET[language] === undefined
        ? {}
        : { BUILD_BASE: ".", BAZEL_OUTPUT: "filter.wasm", TARGET: BAZEL_TARGET[language] }),
      ...(output === undefined ? {} : { NPM_OUTPUT: output }),
      npm_config_cache: `${CACHE}/npm`,
      // A login must not outlive the build.
      npm_config_userconfig: `${OUTPUT}/.npmrc`,
      ...request.containerEnv,
    },
    pinned: true,
    optimize: false,
    facts: {},
    label: () => image.reference,
  };
}

/** What the image is told to build with. */
const BUILD_TOOL: Readonly<Record<BuildLanguage, string>> = {
  assemblyscript: "npm",
  rust: "bazel",
  go: "go",
  tinygo: "tinygo",
  cpp: "bazel",
};

/** The old tool's defaults. */
const BAZEL_TARGET: Readonly<Partial<Record<BuildLanguage, string>>> = { cpp: ":filter.wasm", rust: ":filter" };

/** Where the project's script leaves the module: the old image's own default is `build/optimized.wasm`. */
async function npmOutput(folder: string, env: Env): Promise<string | undefined> {
  const named = envValue(env, "NPM_OUTPUT");
  if (named !== undefined) return named;
  const [first] = await outputsOf(await readAsProject(folder));
  return first === undefined ? undefined : relative(folder, first).replaceAll("\\", "/");
}
