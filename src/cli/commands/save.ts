import { resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { type CommandSpec, manyArguments } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { text } from "../options/read.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { formatSize } from "../render/size.ts";

/** `wasme save REF… -f FILE`. */
export const save: CommandSpec = {
  name: "save",
  summary: "Write images into one file, to carry elsewhere",
  description:
    "Write images of the local store into one tar archive, an OCI image layout, for machines without a network. " +
    "wasme load reads it, and so do skopeo and podman (oci-archive:), and docker load where the image is an ordinary " +
    "one (format compat). Digests stay the same, and equal images give equal bytes.",
  examples: [
    { command: "wasme save hello:v1 -f hello.tar", does: "one image" },
    { command: "wasme save hello:v1 auth:v2 -f filters.tar", does: "several; shared content is in it once" },
    { command: "wasme save hello:v1 -f - | ssh edge wasme load -f -", does: "straight to another machine" },
  ],
  arguments: [{ name: "<refs...>", description: "references in the local store", complete: "image" }],
  options: [
    { flags: "-f, --file <file>", description: "archive to write; - is stdout", required: true, complete: "file" },
    ...storeOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const named = text(options, "file") ?? "";
    const file = STDOUT.has(named) ? "-" : named;
    if (file === "-") refuseOtherOutput(context);
    const { saveImages } = await import("../../images/save-image.ts");
    const store = await openStoreFor(context, options);
    const target = file === "-" ? { write: context.terminal.writeBytes } : { file: resolve(context.cwd, file) };
    const request = { references: manyArguments(input, 0), target };
    const result = await saveImages({ store, signal: context.signal }, request, context.events);
    const saved = `${result.images.map(({ reference }) => reference).join(", ")} (${formatSize(result.bytes)})`;
    if (file === "-") context.events({ type: "milestone", message: `Saved ${saved}` });
    return {
      json: versioned("SaveResult", result),
      names: result.images.map(({ manifestDigest }) => manifestDigest),
      // The archive itself was the result.
      ...(file === "-" ? { raw: "" } : {}),
      text: () => `Saved ${saved} to ${file}`,
    };
  },
};

/** Names of it as a file: there its other text would be mixed in. */
const STDOUT: ReadonlySet<string> = new Set(["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]);

/** An archive is no text: it must not be mixed with any, or fill a screen. */
function refuseOtherOutput({ terminal, global }: Context): void {
  if (terminal.stdout.isTerminal) {
    throw usageError("OUTPUT_IS_TERMINAL", "an archive cannot be shown on a terminal", {
      hint: "name a file with -f, or pipe it on",
    });
  }
  if (global.output === "text") return;
  throw usageError("OPTION_MISPLACED", `-f - writes the archive to stdout, where --output ${global.output} would go`, {
    hint: "name a file with -f",
  });
}
