import { type ImageReference, parseImageReference } from "../../domain/image-reference.ts";
import type { PushFormat, PushResult } from "../../images/push-image.ts";
import type { Style } from "../../platform/terminal.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { choice, list } from "../options/read.ts";
import {
  legacyAuthFileOption,
  registryOptions,
  uploadOptions,
  withOldAuthFile,
  withRegistry,
} from "../options/registry.ts";
import { sourceDateOf } from "../options/source-date.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { formatSize } from "../render/size.ts";

const FORMATS = ["oci", "compat", "cncf", "auto"] as const;

/** `wasme push REF`. */
export const push: CommandSpec = {
  name: "push",
  summary: "Upload an image to a registry",
  description:
    "Upload an image from the local store to the registry its reference names. What the registry has already is not " +
    "sent again; what it has in another repository is taken over from there where it allows that.",
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
      description: "oci artifact, compat image, cncf artifact; auto: as stored, or compat when that is refused",
      choices: FORMATS,
      default: "as stored",
    },
    {
      flags: "--mount-from <repository>",
      description: "repository of the same registry that may have the content",
      repeatable: true,
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
    // A time is only written where a manifest is made.
    const time = format === undefined ? {} : sourceDateOf(context);
    const mountFrom = await mountSources(list(options, "mountFrom"), reference);
    const { pushImage } = await import("../../images/push-image.ts");
    const store = await openStoreFor(context, options);
    const result = await withRegistry(context, options, async (registry) => {
      const request = { reference, format, mountFrom, ...time };
      return await pushImage({ store, registry, signal: context.signal }, request, context.events);
    });
    return {
      json: versioned("PushResult", result),
      names: [result.manifestDigest],
      text: (style) => describe(result, format, style),
    };
  },
};

async function mountSources(named: readonly string[], reference: ImageReference): Promise<readonly string[]> {
  if (named.length === 0) return [];
  const { parseMountSource } = await import("../../images/mount-candidates.ts");
  return named.map((text) => parseMountSource(text, reference));
}

function describe(result: PushResult, asked: PushFormat | undefined, style: Style): string {
  const { uploadedBytes, mountedBytes, skippedBytes, unchanged } = result;
  const chosen = asked !== undefined && (asked !== "auto" || result.refused !== undefined);
  const lines = [
    `Pushed ${style.bold(result.reference)}${chosen ? ` (${result.format})` : ""}`,
    `Digest: ${result.manifestDigest}`,
  ];
  // Only what was spared is news: a first push uploads everything.
  if (!unchanged && mountedBytes + skippedBytes > 0) {
    const parts = [
      ...(uploadedBytes > 0 ? [`uploaded ${formatSize(uploadedBytes)}`] : []),
      ...(mountedBytes > 0 ? [`mounted ${formatSize(mountedBytes)}`] : []),
      ...(skippedBytes > 0 ? [`already there ${formatSize(skippedBytes)}`] : []),
    ];
    lines.push(style.dim(parts.join(", ")));
  }
  return lines.join("\n");
}
