import { usageError } from "../../domain/errors.ts";
import { parseRegistryHost } from "../../domain/image-reference.ts";
import { envValue } from "../../platform/env.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { text, type Values } from "./read.ts";

/** `--server`, the old way to name a registry. */
export const serverOption: OptionSpec = {
  flags: "-s, --server <server>",
  description: "the registry, when it is not given as argument",
  env: "WASM_IMAGE_REGISTRY",
};

/** The registry a command is about: argument, flag, variable. No default: throws `SERVER_MISSING` (usage). */
export function serverOf(context: Context, values: Values, named: string | undefined): string {
  const server = named ?? text(values, "server") ?? envValue(context.env, "WASM_IMAGE_REGISTRY");
  if (server !== undefined) return parseRegistryHost(server);
  throw usageError("SERVER_MISSING", "no registry named", {
    hint: "name one, such as --server ghcr.io, or set WASM_IMAGE_REGISTRY",
  });
}
