import { resolve } from "node:path";
import type { ImageStore } from "../../store/image-store.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { text, type Values } from "./read.ts";

/** `--store`. */
export const storeOptions: readonly OptionSpec[] = [
  {
    flags: "--store <dir>",
    description: "folder of the local image store, an OCI layout",
    default: "~/.wasme/images",
    env: "WASME_HOME",
    complete: "directory",
  },
];

/** Opens the store the options name; nothing is written by opening. */
export async function openStoreFor(context: Context, values: Values): Promise<ImageStore> {
  const { openStore } = await import("../../store/image-store.ts");
  const dir = text(values, "store");
  return openStore(dir === undefined ? context.paths.store : resolve(context.cwd, dir));
}
