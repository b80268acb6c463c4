import { parseImageReference } from "../../domain/image-reference.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { legacyAuthFileOption, registryOptions, withOldAuthFile, withRegistry } from "../options/registry.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { formatSize } from "../render/size.ts";

/** `wasme pull REF`. */
export const pull: CommandSpec = {
  name: "pull",
  summary: "Download an image from a registry",
  description:
    "Download an image of any known wasm layout into the local store. Every byte is checked against its digest before " +
    "the image gets its name.",
  examples: [
    { command: "wasme pull ghcr.io/acme/hello:v1", does: "by tag" },
    { command: `wasme pull ghcr.io/acme/hello@sha256:${"0123456789abcdef".repeat(4)}`, does: "exactly these bytes" },
  ],
  arguments: [{ name: "<ref>", description: "reference of the image" }],
  options: [...storeOptions, ...registryOptions, legacyAuthFileOption],
  async run(context, input) {
    const options = withOldAuthFile(context, input.options);
    const reference = parseImageReference(argument(input, 0));
    const { pullImage } = await import("../../images/pull-image.ts");
    const store = await openStoreFor(context, options);
    const result = await withRegistry(context, options, async (registry) => {
      return await pullImage({ store, registry, signal: context.signal }, { reference }, context.events);
    });
    return {
      json: versioned("PullResult", result),
      names: [result.manifestDigest],
      text: (style) =>
        [
          `Image:         ${style.bold(result.reference)}${result.unchanged ? " (unchanged)" : ""}`,
          `Digest:        ${result.manifestDigest}`,
          `Module digest: ${result.moduleDigest}`,
          ...(result.unchanged || result.skippedBytes === 0
            ? []
            : [
                `Downloaded:    ${formatSize(result.downloadedBytes)}, ${formatSize(result.skippedBytes)} was in the store`,
              ]),
        ].join("\n"),
    };
  },
};
