import { type CommandSpec, manyArguments } from "../command-spec.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { formatSize } from "../render/size.ts";

/** `wasme rm REF…`. */
export const rm: CommandSpec = {
  name: "rm",
  summary: "Remove images from the local store",
  description:
    "Remove references from the local store, and the content no other reference needs. If one of them is unknown, " +
    "nothing is removed.",
  examples: [
    { command: "wasme rm hello:v1", does: "remove one image" },
    { command: "wasme rm hello:v1 hello:v2", does: "remove several, or none if one is unknown" },
  ],
  arguments: [{ name: "<refs...>", description: "references in the local store", complete: "image" }],
  options: storeOptions,
  async run(context, input) {
    const { removeImages } = await import("../../images/remove-image.ts");
    const store = await openStoreFor(context, input.options);
    const result = await removeImages({ store, signal: context.signal }, { references: manyArguments(input, 0) });
    return {
      json: versioned("RemoveResult", result),
      names: result.removed.map(({ reference }) => reference),
      text: () =>
        [
          ...result.removed.map(({ reference }) => `Removed ${reference}`),
          ...(result.freedBytes > 0 ? [`Freed ${formatSize(result.freedBytes)}`] : []),
        ].join("\n"),
    };
  },
};
