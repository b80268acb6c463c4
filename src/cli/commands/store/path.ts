import type { CommandSpec } from "../../command-spec.ts";
import { openStoreFor, storeOptions } from "../../options/store.ts";
import { versioned } from "../../outcome.ts";

/** `wasme store path`. */
export const storePath: CommandSpec = {
  name: "store path",
  summary: "Print the folder of the local store",
  description:
    "Print the folder of the local image store, whether it exists yet or not. It is an OCI image layout: skopeo and " +
    "umoci read it by reference, oras by reference with --oci-layout-path or by digest.",
  examples: [
    { command: "wasme store path", does: "the folder alone, for scripts" },
    {
      command: 'skopeo inspect --raw "oci:$(wasme store path):docker.io/library/hello:v1"',
      does: "let another tool read an image of it",
    },
  ],
  arguments: [],
  options: storeOptions,
  async run(context, { options }) {
    const { dir } = await openStoreFor(context, options);
    return { json: versioned("StorePath", { directory: dir }), names: [dir], text: () => dir };
  },
};
