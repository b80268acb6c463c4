import type { RemoteTarget } from "../../images/remove-remote.ts";
import { type CommandSpec, type Input, manyArguments } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { flag } from "../options/read.ts";
import { registryOptions, withRegistry } from "../options/registry.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { type Outcome, versioned } from "../outcome.ts";
import { formatSize } from "../render/size.ts";

/** `wasme rm REF…`. */
export const rm: CommandSpec = {
  name: "rm",
  summary: "Remove images from the local store",
  description:
    "Remove references from the local store, and the content no other reference needs. If one of them is unknown, " +
    "nothing is removed. With --remote they are deleted in their registries instead: a tag alone, or by digest the " +
    "image with all its tags. It asks before; --yes answers.",
  examples: [
    { command: "wasme rm hello:v1", does: "remove one image" },
    { command: "wasme rm hello:v1 hello:v2", does: "remove several, or none if one is unknown" },
    { command: "wasme rm --remote ghcr.io/acme/hello:v1", does: "delete a tag in a registry" },
    {
      command: "wasme rm --remote -y ghcr.io/acme/hello@sha256:a1b2…",
      does: "delete an image and all its tags in a registry, without asking",
    },
  ],
  arguments: [{ name: "<refs...>", description: "references to remove", complete: "image" }],
  options: [
    { flags: "--remote", description: "delete in the registry; the local store stays as it is" },
    ...storeOptions,
    ...registryOptions,
  ],
  async run(context, input) {
    if (flag(input.options, "remote")) return await runRemote(context, input);
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

async function runRemote(context: Context, input: Input): Promise<Outcome> {
  const { askConfirm, requireConfirmable } = await import("../prompt.ts");
  const { findRemote, removeRemote } = await import("../../images/remove-remote.ts");
  const references = manyArguments(input, 0);
  requireConfirmable(context, `Delete ${references.join(", ")}?`);
  return await withRegistry(context, input.options, async (registry) => {
    const deps = { registry, signal: context.signal };
    const targets = await findRemote(deps, { references });
    const removed = (await askConfirm(context, question(targets))) ? targets : [];
    await removeRemote(deps, removed, context.events);
    return {
      json: versioned("RemoteRemoveResult", { removed }),
      names: removed.map(({ reference }) => reference),
      text: () =>
        removed.length === 0 ? "Nothing deleted" : removed.map((each) => `Deleted ${described(each)}`).join("\n"),
    };
  });
}

function question(targets: readonly RemoteTarget[]): string {
  const [only] = targets;
  if (only !== undefined && targets.length === 1) return `Delete ${described(only)} in the registry?`;
  return `Delete in the registry:\n${targets.map((target) => `  ${described(target)}\n`).join("")}Sure?`;
}

/** What is named, and what goes with it. */
function described({ reference, tags }: RemoteTarget): string {
  if (!reference.includes("@")) return `${reference} (the tag alone)`;
  if (tags === undefined) return `${reference} and all its tags`;
  return tags.length === 0 ? `${reference} (it has no tag)` : `${reference} and its tags ${tags.join(", ")}`;
}
