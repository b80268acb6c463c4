import { parseImageReference } from "../../domain/image-reference.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";

/** `wasme tag SRC DST`. */
export const tag: CommandSpec = {
  name: "tag",
  summary: "Give an image another reference",
  examples: [
    { command: "wasme tag hello:v1 ghcr.io/acme/hello:v1", does: "name a local image so that it can be pushed there" },
  ],
  arguments: [
    { name: "<source>", description: "reference of an image in the local store", complete: "image" },
    { name: "<target>", description: "the new reference; a name in use moves", complete: "image" },
  ],
  options: storeOptions,
  async run(context, input) {
    const request = {
      source: parseImageReference(argument(input, 0)),
      target: parseImageReference(argument(input, 1)),
    };
    const { tagImage } = await import("../../images/tag-image.ts");
    const store = await openStoreFor(context, input.options);
    const result = await tagImage({ store, signal: context.signal }, request);
    return {
      json: versioned("TagResult", result),
      names: [result.manifestDigest],
      text: () => `Tagged ${result.source} as ${result.target}\nDigest: ${result.manifestDigest}`,
    };
  },
};
