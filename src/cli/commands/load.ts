import { resolve } from "node:path";
import { addAbortSignal, Readable } from "node:stream";
import { usageError } from "../../domain/errors.ts";
import { parseImageReference } from "../../domain/image-reference.ts";
import type { LoadedImage } from "../../images/load-image.ts";
import type { CommandSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { text } from "../options/read.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";

/** `wasme load -f FILE`. */
export const load: CommandSpec = {
  name: "load",
  summary: "Take images from a file into the local store",
  description:
    "Take the images of a tar archive (gzipped or not) that is an OCI image layout into the local store, under the " +
    "names they have in it: made by wasme save, by skopeo or podman (oci-archive:), or by docker save (Docker 25 or " +
    "newer). Every byte is checked before anything is named.",
  examples: [
    { command: "wasme load -f hello.tar", does: "all images of the archive" },
    { command: "wasme load -f hello.tar -t ghcr.io/acme/hello:v1", does: "one image, under another name" },
    { command: "zstd -dc filters.tar.zst | wasme load -f -", does: "from another program" },
  ],
  arguments: [],
  options: [
    { flags: "-f, --file <file>", description: "archive to read; - is stdin", required: true, complete: "file" },
    { flags: "-t, --tag <ref>", description: "name the one image of the archive" },
    ...storeOptions,
  ],
  async run(context, { options }) {
    const file = text(options, "file") ?? "";
    const tag = text(options, "tag");
    const reference = tag === undefined ? undefined : parseImageReference(tag);
    const { loadImages } = await import("../../images/load-image.ts");
    const store = await openStoreFor(context, options);
    const request = { ...(await openArchive(context, file)), reference };
    const result = await loadImages({ store, signal: context.signal }, request, context.events);
    return {
      json: versioned("LoadResult", result),
      names: result.images.map(({ manifestDigest }) => manifestDigest),
      text: (style) => result.images.map((image) => describe(image, style.bold(image.reference))).join("\n"),
    };
  },
};

function describe({ manifestDigest, unchanged, replaced }: LoadedImage, name: string): string {
  const change = unchanged ? " (unchanged)" : replaced === undefined ? "" : `\nReplaced: ${replaced}`;
  return `Loaded ${name}${change}\nDigest: ${manifestDigest}`;
}

async function openArchive(
  { terminal, cwd, signal }: Context,
  file: string,
): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly title: string }> {
  const { openInputFile } = await import("../../images/input-files.ts");
  if (file !== "-") return { chunks: await openInputFile(resolve(cwd, file), "archive", signal), title: file };
  if ("isTTY" in terminal.stdin && terminal.stdin.isTTY) {
    throw usageError("INPUT_IS_TERMINAL", "-f - reads an archive from stdin, which is a terminal", {
      hint: "pipe an archive into it, or name a file with -f",
    });
  }
  return { chunks: bytesOf(terminal.stdin, signal), title: "stdin" };
}

async function* bytesOf(stream: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  // Else Ctrl-C would have to wait for a sender that is silent.
  if (stream instanceof Readable) addAbortSignal(signal, stream);
  for await (const chunk of stream) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}
