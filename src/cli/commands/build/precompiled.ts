import { argument, type CommandSpec } from "../../command-spec.ts";
import { describeStored, imageOptions, runtimeConfigOf } from "../../options/build.ts";
import { notDenied, text } from "../../options/read.ts";
import { sourceDateOf } from "../../options/source-date.ts";
import { openStoreFor, storeOptions } from "../../options/store.ts";
import { versioned } from "../../outcome.ts";

/** `wasme build precompiled FILE -t REF`. */
export const buildPrecompiled: CommandSpec = {
  name: "build precompiled",
  summary: "Store a compiled module as an image",
  description:
    "Check a compiled module and store it as an image. Without a runtime config beside it or in this folder, one is " +
    "derived from the module.",
  examples: [
    { command: "wasme build precompiled filter.wasm -t ghcr.io/acme/auth:v1", does: "import any Proxy-Wasm module" },
    {
      command: "wasme build precompiled filter.wasm -t auth:v1 -c runtime-config.json",
      does: "with a runtime config of its own",
    },
  ],
  arguments: [{ name: "<file>", description: "the .wasm file", complete: "file" }],
  options: [...imageOptions, ...storeOptions],
  async run(context, input) {
    const { options } = input;
    const { buildPrecompiled: use } = await import("../../../images/build-precompiled.ts");
    const request = {
      tag: text(options, "tag") ?? "",
      file: argument(input, 0),
      ...runtimeConfigOf(context, options),
      check: notDenied(options, "check"),
      ...sourceDateOf(context),
    };
    const store = await openStoreFor(context, options);
    const result = await use({ store, cwd: context.cwd, signal: context.signal }, request, context.events);
    return {
      json: versioned("BuildResult", result),
      names: [result.manifestDigest],
      text: (style) => describeStored(result, style),
    };
  },
};
