import { parseImageReference } from "../../domain/image-reference.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { choice } from "../options/read.ts";
import {
  legacyAuthFileOption,
  registryOptions,
  uploadOptions,
  withOldAuthFile,
  withRegistry,
} from "../options/registry.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";

const FORMATS = ["oci", "compat", "auto"] as const;

/** `wasme push REF`. */
export const push: CommandSpec = {
  name: "push",
  summary: "Upload an image to a registry",
  description:
    "Upload an image from the local store to the registry its reference names. What the registry has already is not " +
    "sent again.",
  examples: [
    { command: "wasme push ghcr.io/acme/hello:v1", does: "after wasme login ghcr.io" },
    {
      command: "wasme push quay.io/acme/hello:v1 --format compat",
      does: "as an ordinary image, for registries that refuse artifacts",
    },
    { command: "wasme push -q localhost:5000/hello:v1", does: "print the manifest digest alone" },
  ],
  arguments: [{ name: "<ref>", description: "reference in the local store", complete: "image" }],
  options: [
    {
      flags: "--format <format>",
      description: "layout to push: oci artifact, compat image, auto tries both",
      choices: FORMATS,
      default: "oci",
    },
    ...storeOptions,
    ...registryOptions,
    ...uploadOptions,
    legacyAuthFileOption,
  ],
  async run(context, input) {
    const options = withOldAuthFile(context, input.options);
    const reference = parseImageReference(argument(input, 0));
    const format = options["format"] === undefined ? undefined : choice(options, "format", FORMATS, "oci");
    const { pushImage } = await import("../../images/push-image.ts");
    const store = await openStoreFor(context, options);
    const result = await withRegistry(context, options, async (registry) => {
      return await pushImage({ store, registry, signal: context.signal }, { reference, format }, context.events);
    });
    return {
      json: versioned("PushResult", result),
      names: [result.manifestDigest],
      text: (style) => `Pushed ${style.bold(result.reference)}\nDigest: ${result.manifestDigest}`,
    };
  },
};
