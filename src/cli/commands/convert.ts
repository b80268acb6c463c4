import { parseImageReference } from "../../domain/image-reference.ts";
import type { ConvertResult } from "../../images/convert-image.ts";
import type { Style } from "../../platform/terminal.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { choice } from "../options/read.ts";
import { sourceDateOf } from "../options/source-date.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";

const FORMATS = ["oci", "compat", "cncf"] as const;

/** `wasme convert SRC DST --format F`. */
export const convert: CommandSpec = {
  name: "convert",
  summary: "Give an image another format and reference",
  description:
    "Rewrite an image of the local store in another format, under another reference, without building it again. The " +
    "source may be in any layout wasme reads and stays as it is; the module stays the same, byte for byte.",
  examples: [
    {
      command: "wasme convert ghcr.io/acme/hello:v1 quay.io/acme/hello:v1 --format compat",
      does: "an ordinary image, for registries that refuse artifacts",
    },
    {
      command: "wasme convert hello:v1 ghcr.io/acme/hello:v1-cncf --format cncf",
      does: "for runwasi, wasmCloud and wkg",
    },
    { command: "wasme convert other/filter:v2 hello:v2 --format oci", does: "for proxies, from any layout" },
  ],
  arguments: [
    { name: "<source>", description: "reference of an image in the local store", complete: "image" },
    { name: "<target>", description: "reference of the result; a name in use moves", complete: "image" },
  ],
  options: [
    {
      flags: "--format <format>",
      description: "oci: artifact for proxies; compat: ordinary image; cncf: artifact for wasm runtimes",
      choices: FORMATS,
      required: true,
    },
    ...storeOptions,
  ],
  async run(context, input) {
    const request = {
      source: parseImageReference(argument(input, 0)),
      target: parseImageReference(argument(input, 1)),
      format: choice(input.options, "format", FORMATS, "oci"),
      ...sourceDateOf(context),
    };
    const { convertImage } = await import("../../images/convert-image.ts");
    const store = await openStoreFor(context, input.options);
    const result = await convertImage({ store, signal: context.signal }, request, context.events);
    return {
      json: versioned("ConvertResult", result),
      names: [result.manifestDigest],
      text: (style) => describe(result, style),
    };
  },
};

function describe({ source, target, sourceFormat, format, ...result }: ConvertResult, style: Style): string {
  const headline = result.unchanged
    ? `Tagged ${source} as ${style.bold(target)}, unchanged: it is in the format ${format} already`
    : `Converted ${source} (${sourceFormat}) to ${style.bold(target)} (${format})`;
  return [
    headline,
    `Digest:        ${result.manifestDigest}`,
    `Module digest: ${result.moduleDigest}${result.unchanged ? "" : " (as before)"}`,
  ].join("\n");
}
