import { resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { parseImageReference } from "../../domain/image-reference.ts";
import type { CheckRequest, CheckResult } from "../../images/check-image.ts";
import type { SmokeResult } from "../../images/smoke-result.ts";
import type { Style } from "../../platform/terminal.ts";
import { loads } from "../../wasm/hosts/host-verdict.ts";
import { argument, type CommandSpec, type Input } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { flag, list, notDenied, text, textOrFile } from "../options/read.ts";
import { registryOptions, withRegistry } from "../options/registry.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { renderVerdicts } from "../render/result/host-verdicts.ts";
import { formatSize } from "../render/size.ts";

/** `wasme check (REF|FILE)`. */
export const check: CommandSpec = {
  name: "check",
  summary: "Tell where a filter will load, and why not elsewhere",
  description:
    "Check a module or image: ABI, entry point, allocator, imports and exports against what Envoy, Istio, Higress, " +
    "Google's Service Extensions and nginx offer; and send two requests through it in the embedded host, with the " +
    "plugin config really handed over. Exit code 7: it does not load, or not where --host asks.",
  examples: [
    { command: "wasme check hello:v1", does: "an image of the local store, for every host" },
    { command: "wasme check filter.wasm --host istio@1.26 --host google", does: "a file, for these hosts only" },
    { command: "wasme check hello:v1 --config @hello.json", does: "does it accept this configuration?" },
    { command: "wasme check --remote ghcr.io/acme/hello:v1 -o json", does: "in its registry, for a script" },
  ],
  arguments: [
    { name: "<ref|file>", description: "reference of an image, or a compiled module", complete: "image-or-file" },
  ],
  options: [
    {
      flags: "--host <host>",
      description: "only for this host: envoy, istio, higress, google, nginx; @version asks for one, like envoy@1.34",
      repeatable: true,
      complete: ["envoy", "istio", "higress", "google", "nginx"],
    },
    { flags: "--config <text>", description: "plugin config to hand over; @file reads it from a file" },
    { flags: "--root-id <id>", description: "root id; default the first one the image names" },
    { flags: "--vm-config <text>", description: "VM config to hand over; @file reads it from a file" },
    { flags: "--no-smoke", description: "do not run it: only look at its bytes" },
    { flags: "--remote", description: "look in the registry instead of the local store" },
    ...storeOptions,
    ...registryOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const { parseHost, isBeyondKnown } = await import("../../wasm/hosts/parse-host.ts");
    const hosts = list(options, "host").map(parseHost);
    const request: CheckRequest = {
      source: await sourceOf(context, input),
      hosts,
      config: await textOrFile(text(options, "config"), "--config", context.cwd),
      rootId: text(options, "rootId"),
      vmConfig: await textOrFile(text(options, "vmConfig"), "--vm-config", context.cwd),
      smoke: notDenied(options, "smoke"),
    };
    for (const { host, version = "" } of hosts.filter(isBeyondKnown)) {
      const message = `${host} ${version} is newer than what this wasme knows: judged by the newest it knows`;
      context.events({ type: "warning", message });
    }
    const { checkImage } = await import("../../images/check-image.ts");
    const store = await openStoreFor(context, options);
    const result = await withRegistry(context, options, async (registry) => {
      return await checkImage({ store, registry, signal: context.signal }, request);
    });
    return {
      json: versioned("CheckResult", result),
      names: result.hosts.filter(loads).map(({ host, asked }) => (asked === undefined ? host : `${host}@${asked}`)),
      text: (style) => describe(result, style),
      exitCode: result.ok ? 0 : EXIT_CODES.incompatible.code,
    };
  },
};

/** What exists as a file is one; what looks like a path must exist; all else is a reference. */
async function sourceOf(context: Context, input: Input): Promise<CheckRequest["source"]> {
  const typed = argument(input, 0);
  const remote = flag(input.options, "remote");
  const path = resolve(context.cwd, typed);
  const { stat } = await import("node:fs/promises");
  const found = remote ? undefined : await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    throw usageError("FILE_UNREADABLE", `${typed} is a folder, not a module or an image`, {
      hint: `build it first: wasme build ${typed} -t NAME`,
    });
  }
  if (found !== undefined || (!remote && LOOKS_LIKE_PATH.test(typed))) return { kind: "file", path, name: typed };
  return { kind: "image", reference: parseImageReference(typed), from: remote ? "registry" : "store" };
}

const LOOKS_LIKE_PATH = /^(?:\.{0,2}[/\\]|\.{1,2}$|~)|\.wasm$|\\/u;

function describe(result: CheckResult, style: Style): string {
  const blocks = [
    factsOf(result, style),
    renderVerdicts(result.hosts, style),
    ...(result.smoke === undefined ? [] : [streamsOf(result.smoke)]),
    ...(result.findings.length === 0 ? [] : [findingsOf(result, style)]),
    ...(result.capabilities.length === 0 ? [] : [mayOf(result)]),
  ];
  return blocks.join("\n\n");
}

function factsOf({ name, image, module, moduleDigest }: CheckResult, style: Style): string {
  const { language, compiler, sdk } = module.origin;
  const tools = [sdk, compiler].flatMap((tool) =>
    tool === undefined ? [] : [[tool.name, tool.version ?? ""].join(" ").trim()],
  );
  const rows: readonly (readonly [string, string])[] = [
    [image === undefined ? "File" : "Image", style.bold(name)],
    ["Module", `${formatSize(module.size)}, ${moduleDigest}`],
    ["ABI", module.abi ?? "none"],
    ["Made with", [language ?? "unknown", ...tools].join(", ")],
    ["Starts by", module.entry ?? "nothing"],
    ["Memory by", module.allocator ?? "nothing"],
  ];
  return rows.map(([title, value]) => `${`${title}:`.padEnd(11)}${value}`).join("\n");
}

function streamsOf({ streams, failure, durationMs }: SmokeResult): string {
  if (failure !== undefined) return "Two requests: not sent, the filter did not start";
  if (streams.length === 1)
    return `One connection: ${streams[0]?.ended === true ? "served" : "not served"} (${durationMs} ms)`;
  const each = streams.map(({ name, status, ended }) => {
    const answer = status === undefined ? "no answer" : String(status);
    return `${name}: ${answer}${ended ? "" : ", not ended"}`;
  });
  return `Two requests: ${each.join("; ")} (${durationMs} ms)`;
}

function findingsOf({ findings }: CheckResult, style: Style): string {
  return findings
    .flatMap(({ severity, message, hint }) => {
      const mark = severity === "error" ? style.red("error:") : style.yellow("warning:");
      return [`${mark} ${message}`, ...(hint === undefined ? [] : [`  Hint: ${hint}`])];
    })
    .join("\n");
}

function mayOf({ capabilities }: CheckResult): string {
  const loud = capabilities.filter(({ quiet }) => !quiet);
  return ["It may:", ...loud.map((item) => `  ${item.text}`)].join("\n");
}
