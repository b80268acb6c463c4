import { resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { BUILD_LANGUAGES, BUILDERS } from "../../toolchain/runner.ts";
import { type CommandSpec, type Input, optionalArgument } from "../command-spec.ts";
import { builderOptions, containerEnvOf, oldBuildOptions } from "../options/builder.ts";
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
    "the project's files, and built with the tools of this machine: cargo for Rust, go (1.24 or newer) or tinygo, em++ or " +
    "clang++ for C++; npm alone is enough for AssemblyScript and C++. wasme doctor shows what is there.",
  examples: [
    { command: "wasme build ./hello -t ghcr.io/acme/hello:v1", does: "build the project in ./hello" },
    { command: "wasme build rust . -t hello:v1", does: "name the language; build in this folder" },
    { command: "wasme build . -t hello:v1 --out hello.wasm", does: "keep the module as a file too" },
    { command: "wasme build . -t hello:v1 --no-install", does: "download nothing: no packages, crates or modules" },
  ],
  arguments: [
    {
      name: "[language]",
      description: `${BUILD_LANGUAGES.join(", ")}; found out when absent`,
      complete: "build-language",
    },
    { name: "[dir]", description: "folder of the project; default .", complete: "directory" },
  ],
  options: [
    ...imageOptions,
    ...builderOptions,
    { flags: "--out <file>", description: "also write the module to this file", complete: "file" },
    { flags: "--tmp-dir <dir>", description: "build in this folder and keep it", complete: "directory" },
    ...storeOptions,
    ...oldBuildOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const { buildImage } = await import("../../images/build-image.ts");
    const [out, tmpDir, image] = [text(options, "out"), text(options, "tmpDir"), text(options, "image")];
    const request = {
      tag: text(options, "tag") ?? "",
      ...(await project(input, context.cwd)),
      ...runtimeConfigOf(context, options),
      builder: choice(options, "builder", BUILDERS, "auto"),
      install: notDenied(options, "install"),
      optimize: notDenied(options, "optimize"),
      ...(image === undefined ? {} : { image }),
      ...containerEnvOf(context, options),
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
  const language = BUILD_LANGUAGES.find((name) => name === first);
  if (language !== undefined) return { source: second ?? ".", language };
  if (second === undefined) return { source: await existingFolder(first, cwd) };
  const { didYouMean } = await import("../../domain/did-you-mean.ts");
  const known = [...BUILD_LANGUAGES, "precompiled"];
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
  throw usageError("SOURCE_UNKNOWN", `there is no folder ${JSON.stringify(word)}, and no such language to build`, {
    hint: `wasme build [${BUILD_LANGUAGES.join("|")}] [dir] -t REF`,
  });
}
