import { resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { type CommandSpec, type Input, optionalArgument } from "../command-spec.ts";
import { describeStored, imageOptions, runtimeConfigOf } from "../options/build.ts";
import { choice, notDenied, text } from "../options/read.ts";
import { sourceDateOf } from "../options/source-date.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";

/** `wasme build [LANGUAGE] [DIR] -t REF`. */
export const build: CommandSpec = {
  name: "build",
  summary: "Build a filter and store it as an image",
  description:
    "Build the filter project in a folder, check the module and store it as an image. The language is found out from " +
    "the project's files; what the project needs is installed with npm ci.",
  examples: [
    { command: "wasme build ./hello -t ghcr.io/acme/hello:v1", does: "build the project in ./hello" },
    { command: "wasme build assemblyscript . -t hello:v1", does: "name the language; build in this folder" },
    { command: "wasme build . -t hello:v1 --out hello.wasm", does: "keep the module as a file too" },
  ],
  arguments: [
    { name: "[language]", description: "assemblyscript; found out when absent", complete: "directory" },
    { name: "[dir]", description: "folder of the project; default .", complete: "directory" },
  ],
  options: [
    ...imageOptions,
    {
      flags: "--builder <builder>",
      description: "native: call the compiler; npm: run the project's asbuild script",
      choices: ["auto", "native", "npm"],
      default: "auto",
    },
    { flags: "--out <file>", description: "also write the module to this file", complete: "file" },
    { flags: "--tmp-dir <dir>", description: "build in this folder and keep it", complete: "directory" },
    { flags: "--no-install", description: "do not install what the project needs; fail if it is missing" },
    ...storeOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const { buildImage } = await import("../../images/build-image.ts");
    const { BUILDERS } = await import("../../toolchain/runner.ts");
    const [out, tmpDir] = [text(options, "out"), text(options, "tmpDir")];
    const request = {
      tag: text(options, "tag") ?? "",
      ...(await project(input, context.cwd)),
      ...runtimeConfigOf(context, options),
      builder: choice(options, "builder", BUILDERS, "auto"),
      install: notDenied(options, "install"),
      optimize: true,
      check: notDenied(options, "check"),
      ...sourceDateOf(context),
      ...(out === undefined ? {} : { out }),
      ...(tmpDir === undefined ? {} : { tmpDir }),
    };
    const store = await openStoreFor(context, options);
    const result = await buildImage({ ...context, store }, request, context.events);
    return {
      json: versioned("BuildResult", result),
      names: [result.manifestDigest],
      text: (style) => describeStored(result, style),
    };
  },
};

/** A first word that is a language names it; `./assemblyscript` is the folder. */
async function project(input: Input, cwd: string): Promise<{ source: string; language?: string }> {
  const [first, second] = [optionalArgument(input, 0), optionalArgument(input, 1)];
  if (first === undefined) return { source: "." };
  const { RUNNERS } = await import("../../toolchain/runners.ts");
  const language = RUNNERS.map((runner) => runner.language).find((name) => name === first);
  if (language !== undefined) return { source: second ?? ".", language };
  if (second === undefined) return { source: await existingFolder(first, cwd) };
  const { didYouMean } = await import("../../domain/did-you-mean.ts");
  const known = [...RUNNERS.map((runner) => runner.language), "precompiled"];
  const meant = didYouMean(first, known);
  throw usageError("LANGUAGE_UNKNOWN", `cannot build language ${JSON.stringify(first)}`, {
    hint: meant === undefined ? `use ${known.join(", ")}, or give the folder alone` : `did you mean build ${meant}?`,
  });
}

/** A lone word that is neither a language nor a folder was more likely meant as a language. */
async function existingFolder(word: string, cwd: string): Promise<string> {
  const { stat } = await import("node:fs/promises");
  const found = await stat(resolve(cwd, word)).catch(() => undefined);
  if (found !== undefined || /[./\\]/u.test(word)) return word;
  const { RUNNERS } = await import("../../toolchain/runners.ts");
  throw usageError("SOURCE_UNKNOWN", `there is no folder ${JSON.stringify(word)}, and no such language to build`, {
    hint: `wasme build [${RUNNERS.map((runner) => runner.language).join("|")}] [dir] -t REF`,
  });
}
