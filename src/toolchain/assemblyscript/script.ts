/** What the project's build script comes down to. */
export type BuildScript =
  /** One run of `asc` makes the module: its arguments. */
  | { readonly kind: "asc"; readonly argv: readonly string[] }
  /** Something only a shell can run. */
  | { readonly kind: "custom" }
  | { readonly kind: "none" };

/** The npm script that builds, by the convention of AssemblyScript and of the old tool. */
export const SCRIPT = "asbuild";

/**
 * Reads the `asbuild` script. `npm run …` steps are followed, steps joined by `&&` are split; when all of them are
 * plain runs of `asc`, the one that makes the release module counts: the optimised one, else the last. Anything else
 * (other programs, variables, pipes, pre- and post-scripts) is `custom`.
 */
export function readBuildScript(scripts: Readonly<Record<string, string>>): BuildScript {
  if (scripts[SCRIPT] === undefined) return { kind: "none" };
  const steps = expand(scripts, SCRIPT, []);
  const last = steps?.at(-1);
  if (steps === undefined || last === undefined) return { kind: "custom" };
  const optimised = steps.findLast((step) => step.some((word) => OPTIMISED.test(word)));
  return { kind: "asc", argv: optimised ?? last };
}

/** Marks the run for release among several: an optimisation option, the target, or the file's usual name. */
const OPTIMISED =
  /^(?:-O(?:[0-3]?[sz]?|speed|size)|--optimize|--optimizeLevel|release|.*\b(?:optimized|release)\.wasm)$/u;

/** The `asc` arguments of every step of a script, or `undefined` when one is something else. */
function expand(
  scripts: Readonly<Record<string, string>>,
  name: string,
  within: readonly string[],
): readonly (readonly string[])[] | undefined {
  const script = scripts[name];
  const hooked = scripts[`pre${name}`] !== undefined || scripts[`post${name}`] !== undefined;
  if (script === undefined || hooked || within.includes(name)) return undefined;
  const steps: (readonly string[])[] = [];
  for (const part of splitSteps(script)) {
    const expanded = expandStep(scripts, part, [...within, name]);
    if (expanded === undefined) return undefined;
    steps.push(...expanded);
  }
  return steps;
}

function expandStep(
  scripts: Readonly<Record<string, string>>,
  step: string,
  within: readonly string[],
): readonly (readonly string[])[] | undefined {
  const words = splitWords(step);
  if (words === undefined) return undefined;
  const [program, ...args] = words;
  if (program === "asc") return args.includes("--") ? undefined : [args];
  if (program === "npx" && args[0] === "asc") return args.includes("--") ? undefined : [args.slice(1)];
  const [verb, target, ...more] = args;
  if (program !== "npm" || (verb !== "run" && verb !== "run-script") || target === undefined) return undefined;
  return more.length > 0 ? undefined : expand(scripts, target, within);
}

function splitSteps(script: string): readonly string[] {
  return script.split("&&");
}

/** Shell words of plain text and quotes; `undefined` when a shell would do more than split. */
function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  const pattern = /\s+|((?:[^\s"'`$\\|;&<>()*?[\]{}~#!]|(?<=\S)[~#]|"[^"`$\\]*"|'[^']*')+)/uy;
  let end = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    end = pattern.lastIndex;
    const word = match[1];
    if (word !== undefined) words.push(word.replaceAll(/"([^"]*)"|'([^']*)'/gu, "$1$2"));
  }
  return end === text.length && words.length > 0 ? words : undefined;
}
