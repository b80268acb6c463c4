import { resolve } from "node:path";
import type { MigratedImage, MigrateResult } from "../../../images/migrate-store.ts";
import type { Style } from "../../../platform/terminal.ts";
import type { CommandSpec } from "../../command-spec.ts";
import { flag, text } from "../../options/read.ts";
import { openStoreFor, storeOptions } from "../../options/store.ts";
import { versioned } from "../../outcome.ts";

/** `wasme store migrate`. */
export const storeMigrate: CommandSpec = {
  name: "store migrate",
  summary: "Take over the images of an old wasme",
  description:
    "Take every image of the store an old wasme (0.0.x) left into the local store. Module and runtime config stay as " +
    "they are, and so does the digest the old wasme pushed the image under: what is pinned somewhere stays pinned. " +
    "The old folder is only read. A name that stands for another image here is kept unless --force is given; it may " +
    "be run again at any time. Exits with 1 when an image of the old store is damaged.",
  examples: [
    { command: "wasme store migrate", does: "everything in ~/.wasme/store" },
    { command: "wasme store migrate --dry-run", does: "read and check it all, write nothing" },
    { command: "wasme store migrate --from /backup/.wasme/store", does: "from another place" },
  ],
  arguments: [],
  options: [
    {
      flags: "--from <dir>",
      description: "the old store",
      default: "~/.wasme/store",
      env: "WASME_HOME",
      complete: "directory",
    },
    { flags: "--dry-run", description: "write nothing, tell what would be done" },
    { flags: "--force", description: "replace images of the same name" },
    ...storeOptions,
  ],
  async run(context, { options }) {
    const from = resolve(context.cwd, text(options, "from") ?? context.paths.legacyStore);
    const request = { from, force: flag(options, "force"), dryRun: flag(options, "dryRun") };
    const { migrateStore } = await import("../../../images/migrate-store.ts");
    const store = await openStoreFor(context, options);
    const result = await migrateStore({ store, signal: context.signal }, request, context.events);
    return {
      json: versioned("StoreMigrateResult", result),
      names: result.images.flatMap((image) => (image.state === "damaged" ? [] : [image.reference])),
      text: (style) => describe(result, style),
      exitCode: result.images.some((image) => image.state === "damaged") ? 1 : 0,
    };
  },
};

function describe({ images, dryRun, from }: MigrateResult, style: Style): string {
  if (images.length === 0) return `No image in ${from}`;
  const many = (state: MigratedImage["state"]): number => images.filter((image) => image.state === state).length;
  const told = STATES.filter((state) => many(state) > 0).map((state) => `${many(state)} ${state}`);
  const kept = many("kept") > 0 ? ["Kept: the name stands for another image here; --force replaces it"] : [];
  return [
    ...images.map((image) => describeImage(image, style)),
    ...kept,
    `${dryRun ? "Would be: " : ""}${told.join(", ")}`,
  ].join("\n");
}

function describeImage(image: MigratedImage, style: Style): string {
  const state = image.state.padEnd(9);
  if (image.state !== "damaged") return `${style.green(state)}  ${image.reference}  ${image.manifestDigest}`;
  const name = image.reference === undefined ? image.folder : `${image.reference} (${image.folder})`;
  return `${style.red(state)}  ${name}  ${image.reason}`;
}

const STATES = ["migrated", "replaced", "unchanged", "kept", "damaged"] as const;
