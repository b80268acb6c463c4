import { parseImageReference } from "../../domain/image-reference.ts";
import type { InspectResult } from "../../images/inspect-image.ts";
import type { Style } from "../../platform/terminal.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { flag } from "../options/read.ts";
import { registryOptions, withRegistry } from "../options/registry.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { builtBy } from "../render/result/built-by.ts";
import { renderConfigSummary } from "../render/result/config-summary.ts";
import { formatSize } from "../render/size.ts";

/** `wasme inspect REF`. */
export const inspect: CommandSpec = {
  name: "inspect",
  summary: "Show what an image is and can do",
  description:
    "Show an image's digests, runtime config and layout, and what its module is: ABI, SDK and toolchain, how it was " +
    "built, what it asks of the proxy, whether a proxy loads it, what its plugin configuration may be, and which programs " +
    "can read the image.",
  examples: [
    { command: "wasme inspect hello:v1", does: "an image in the local store" },
    { command: "wasme inspect --remote ghcr.io/acme/hello:v1", does: "in its registry, without storing it" },
    { command: "wasme inspect hello:v1 -o json", does: "everything, for a script" },
  ],
  arguments: [{ name: "<ref>", description: "reference of the image", complete: "image" }],
  options: [
    { flags: "--remote", description: "look in the registry instead of the local store" },
    ...storeOptions,
    ...registryOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const reference = parseImageReference(argument(input, 0));
    const { inspectImage } = await import("../../images/inspect-image.ts");
    const store = await openStoreFor(context, options);
    const from = flag(options, "remote") ? "registry" : "store";
    const result = await withRegistry(context, options, async (registry) => {
      return await inspectImage({ store, registry, signal: context.signal }, { reference, from });
    });
    return {
      json: versioned("InspectResult", result),
      names: [result.manifestDigest],
      text: (style, width) => describe(result, style, width),
    };
  },
};

function madeWith({ language, compiler, sdk }: InspectResult["module"]["origin"]): string {
  const named = [sdk, compiler].flatMap((tool) => {
    if (tool === undefined) return [];
    return tool.version === undefined ? [tool.name] : [`${tool.name} ${tool.version}`];
  });
  return [language ?? "unknown", ...named].join(", ");
}

function describe(result: InspectResult, style: Style, width: number): string {
  const lines = factsOf(result, style).map(([title, value]) => `${`${title}:`.padEnd(15)}${value}`);
  for (const { message } of result.module.problems) lines.push(`  ${style.red("the module")} ${message}`);
  for (const { message } of result.module.warnings) lines.push(`  ${style.yellow("note:")} ${message}`);
  lines.push(...configurationOf(result, style, width));
  const longest = Math.max(...result.consumers.map(({ consumer }) => consumer.length));
  lines.push("Read by:");
  for (const { consumer, verdict, reason, note } of result.consumers) {
    const why = reason ?? note;
    const line = `  ${markOf(verdict, style)}  ${consumer.padEnd(longest)}${why === undefined ? "" : style.dim(`  ${why}`)}`;
    lines.push(line.trimEnd());
  }
  if (result.attached !== undefined && result.attached.length > 0) lines.push("Attached:");
  for (const { digest, artifactType, mediaType } of result.attached ?? []) {
    lines.push(`  ${digest}  ${style.dim(artifactType ?? mediaType)}`);
  }
  return lines.join("\n");
}

function configurationOf({ configSchema, configSchemaProblem }: InspectResult, style: Style, width: number): string[] {
  if (configSchema !== undefined) return [renderConfigSummary(configSchema, style, width)];
  return configSchemaProblem === undefined ? [] : [`  ${style.yellow("note:")} ${configSchemaProblem}`];
}

function markOf(verdict: InspectResult["consumers"][number]["verdict"], style: Style): string {
  if (verdict === "accepts") return style.green("yes");
  return verdict === "refuses" ? style.red("no ") : style.yellow("?  ");
}

/** What the bytes tell of their maker, what the image says, or both; "unknown" only when nobody says anything. */
function madeBy(origin: InspectResult["module"]["origin"], build: InspectResult["build"]): readonly [string, string][] {
  const built: readonly [string, string][] = build === undefined ? [] : [["Built by", builtBy(build)]];
  if (origin.language === undefined && build !== undefined) return built;
  return [["Made with", madeWith(origin)], ...built];
}

function factsOf(result: InspectResult, style: Style): [string, string][] {
  const { module, runtimeConfig, build } = result;
  const asks = module.capabilities.map(({ group, functions }) => `${group} (${functions.length})`);
  return [
    ["Image", style.bold(result.reference)],
    ["Digest", result.manifestDigest],
    ["Module digest", result.moduleDigest],
    ["Module size", formatSize(result.moduleSize)],
    ["Format", result.format],
    ["ABI", module.abi ?? "none"],
    ...madeBy(module.origin, build),
    ["Root ids", runtimeConfig?.config?.rootIds?.join(", ") ?? "not said"],
    ["Callbacks", module.callbacks.map((name) => name.replace(/^proxy_/u, "")).join(", ") || "none"],
    ["Asks for", asks.join(", ") || "nothing"],
    ["Loads", module.ok ? style.green("yes") : style.red("no")],
  ];
}
