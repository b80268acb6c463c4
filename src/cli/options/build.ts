import type { BuildFacts } from "../../domain/build-facts.ts";
import type { StoredModule } from "../../images/store-module.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { builtBy } from "../render/result/built-by.ts";
import { formatSize } from "../render/size.ts";
import type { Style } from "../../platform/terminal.ts";
import { text, type Values } from "./read.ts";

/** What every way of building takes. */
export const imageOptions: readonly OptionSpec[] = [
  { flags: "-t, --tag <ref>", description: "reference of the image to make", required: true, complete: "image" },
  {
    flags: "-c, --runtime-config <file>",
    description: "runtime config",
    default: "runtime-config.json",
    complete: "file",
  },
  { flags: "--config <file>", description: "old spelling of --runtime-config", hidden: true },
  { flags: "--no-check", description: "store a module that fails the check, with a warning" },
];

/** The runtime config file asked for, under its old name too. */
export function runtimeConfigOf(context: Context, values: Values): { runtimeConfig?: string } {
  const old = text(values, "config");
  if (old !== undefined) context.events({ type: "warning", message: "--config is now called --runtime-config" });
  const file = text(values, "runtimeConfig") ?? old;
  return file === undefined ? {} : { runtimeConfig: file };
}

/** The lines a build ends with. */
export function describeStored(stored: StoredModule & { readonly facts?: BuildFacts }, style: Style): string {
  const lines = [
    `Image:         ${style.bold(stored.reference)}`,
    `Digest:        ${stored.manifestDigest}`,
    `Module digest: ${stored.moduleDigest}`,
    `Module size:   ${formatSize(stored.moduleSize)}`,
    ...(stored.facts === undefined ? [] : [`Built by:      ${builtBy(stored.facts)}`]),
  ];
  return stored.out === undefined ? lines.join("\n") : [...lines, `Module file:   ${stored.out}`].join("\n");
}
