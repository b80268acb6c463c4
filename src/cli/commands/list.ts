import type { ListedImage } from "../../images/list-images.ts";
import { shortDigest } from "../../domain/digest.ts";
import { usageError } from "../../domain/errors.ts";
import type { CommandSpec, Input } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { flag, text } from "../options/read.ts";
import { registryOptions, withRegistry } from "../options/registry.ts";
import { serverOf, serverOption } from "../options/server.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { type Outcome, versioned } from "../outcome.ts";
import { formatSize } from "../render/size.ts";
import { renderTable } from "../render/table.ts";

/** `wasme list`: the local store, or with `--published` a registry. */
export const list: CommandSpec = {
  name: "list",
  summary: "List images",
  description:
    "List the images in the local store, or with --published those a registry has. SIZE and SHA are the module's; " +
    "a damaged entry is shown as damaged.",
  examples: [
    { command: "wasme list", does: "what is in the local store" },
    { command: "wasme list -w", does: "with manifest digest and format, nothing shortened" },
    { command: "wasme list --search hello -o json", does: "for a script" },
    { command: "wasme list --published -s localhost:5000", does: "what a registry has" },
  ],
  arguments: [],
  options: [
    { flags: "-w, --wide", description: "whole digests, manifest digest and format" },
    { flags: "-d, --show-dir", description: "show the store's folder" },
    { flags: "--search <text>", description: "only names that hold this text" },
    { flags: "--published", description: "the images of a registry instead, where it tells them" },
    serverOption,
    ...storeOptions,
    ...registryOptions,
  ],
  run: (context, input) =>
    flag(input.options, "published") ? listRegistry(context, input) : listLocal(context, input),
};

async function listRegistry(context: Context, { options }: Input): Promise<Outcome> {
  const server = serverOf(context, options, undefined);
  const { listPublished } = await import("../../images/list-published.ts");
  const result = await withRegistry(context, options, async (registry) => {
    const request = { server, search: text(options, "search") };
    return await listPublished({ registry, signal: context.signal }, request, context.events);
  });
  const rows = result.images.map(({ name, tag }) => [name, tag]);
  return {
    json: versioned("PublishedList", result),
    names: result.images.map(({ reference }) => reference),
    text: (_style, width) => renderTable(NAME_COLUMNS, rows, flag(options, "wide") ? Number.POSITIVE_INFINITY : width),
  };
}

async function listLocal(context: Context, { options }: Input): Promise<Outcome> {
  if (text(options, "server") !== undefined) {
    throw usageError("OPTION_MISPLACED", "--server is for the images of a registry", { hint: "add --published" });
  }
  const { listImages } = await import("../../images/list-images.ts");
  const store = await openStoreFor(context, options);
  const legacyDir = text(options, "store") === undefined ? context.paths.legacyStore : undefined;
  const { images, legacyImages } = await listImages({ store }, { search: text(options, "search"), legacyDir });
  for (const image of images) {
    if (image.state !== "damaged") continue;
    const name = image.reference === "" ? "(no name)" : image.reference;
    context.events({ type: "warning", message: `${name}: ${image.reason}` });
  }
  if (legacyImages > 0) {
    const message = `${context.paths.legacyStore} holds images of the old wasme that are not listed: ${legacyImages}`;
    context.events({ type: "warning", message, hint: "wasme store migrate takes them over" });
  }
  const wide = flag(options, "wide");
  const directory = flag(options, "showDir") ? store.dir : undefined;
  return {
    json: versioned("ImageList", { ...(directory === undefined ? {} : { directory }), images }),
    names: images.map(({ reference }) => reference),
    text: (_style, width) => {
      const table = renderTable(
        columns(wide),
        images.map((image) => row(image, wide)),
        wide ? Number.POSITIVE_INFINITY : width,
      );
      return directory === undefined ? table : `${table}\n\nStore: ${directory}`;
    },
  };
}

const NAME_COLUMNS = [
  { title: "NAME", minWidth: 20 },
  { title: "TAG", minWidth: 8 },
];

function columns(wide: boolean): { title: string; minWidth?: number }[] {
  const base = [...NAME_COLUMNS, { title: "SIZE" }, { title: "SHA" }, { title: "UPDATED" }];
  return wide ? [...base, { title: "DIGEST" }, { title: "FORMAT" }] : base;
}

function row(image: ListedImage, wide: boolean): string[] {
  const updated = image.updated === undefined ? "" : formatTime(image.updated);
  if (image.state === "damaged") {
    return [image.name, image.tag, "-", "damaged", updated, ...(wide ? [image.manifestDigest ?? "-", "-"] : [])];
  }
  const sha = wide ? image.moduleDigest.slice(image.moduleDigest.indexOf(":") + 1) : shortDigest(image.moduleDigest);
  const base = [image.name, image.tag, formatSize(image.moduleSize), sha, updated];
  return wide ? [...base, image.manifestDigest, image.format] : base;
}

/** `21 Nov 26 05:13 UTC`, as the old tool printed it. */
function formatTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, "0");
  const month = MONTHS[date.getUTCMonth()] ?? "";
  const day = `${two(date.getUTCDate())} ${month} ${two(date.getUTCFullYear() % 100)}`;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())} UTC`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
