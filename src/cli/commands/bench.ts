import { usageError } from "../../domain/errors.ts";
import type { BenchResult } from "../../sandbox/bench/bench-filter.ts";
import { argument, type CommandSpec } from "../command-spec.ts";
import { integer, list, notDenied, text, textOrFile } from "../options/read.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { versioned } from "../outcome.ts";
import { renderBench } from "../render/result/bench.ts";

const REQUEST = "Request";

/** `wasme bench (REF|FILE|DIR)`. */
export const bench: CommandSpec = {
  name: "bench",
  summary: "Measure what a filter costs",
  description:
    "Send streams through a filter in the embedded host and tell what each costs: every step from creation to deletion, " +
    "host calls, memory and whether it leaks, start and first streams. Everything is measured in turn with a filter that " +
    "does nothing, so that ratios hold on a busy machine; --against compares with another version in the same rounds. " +
    "The figures are of this host on this machine, to compare with each other: they are not Envoy's.",
  examples: [
    { command: "wasme bench .", does: "build the project here and measure it" },
    { command: "wasme bench hello:v2 --against hello:v1", does: "is the new version slower?" },
    { command: "wasme bench filter.wasm --config @config.json --test filter.test.yaml", does: "with a test's request" },
    { command: "wasme bench . --requests 1000000", does: "does it leak in the long run?" },
  ],
  arguments: [
    {
      name: "<filter>",
      description: "image of the local store, module file, or project folder",
      complete: "image-or-file",
    },
  ],
  options: [
    {
      flags: "--against <filter>",
      description: "another one to compare with, in the same configuration",
      complete: "image-or-file",
    },
    { flags: "--requests <n>", description: "streams through each filter", default: "20000" },
    { flags: "--open-streams <n>", description: "keep so many more streams under way in each VM meanwhile" },
    { flags: "--config <text>", description: "plugin config, verbatim; @file reads it from a file" },
    { flags: "--no-check", description: "hand the plugin config over whatever its schema says" },
    { flags: "--root-id <id>", description: "root id; default the first one the image names" },
    { flags: "--vm-config <text>", description: "VM config; @file reads it from a file" },
    {
      flags: "--test <file>",
      description: "take request and response from a test of this file, wasme's or Google's",
      complete: "file",
      group: REQUEST,
    },
    { flags: "--case <name>", description: "which test; default the first one with a request", group: REQUEST },
    {
      flags: "--header <name: value>",
      description: "a request header; in place of one of that name",
      repeatable: true,
      group: REQUEST,
    },
    { flags: "--body <text>", description: "request body; @file reads it from a file", group: REQUEST },
    {
      flags: "--response-header <name: value>",
      description: "a response header; in place of one of that name",
      repeatable: true,
      group: REQUEST,
    },
    { flags: "--response-body <text>", description: "response body; @file reads it from a file", group: REQUEST },
    ...storeOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const { readShape } = await import("../../sandbox/bench/read-shape.ts");
    const { shape, crowd } = await readShape(
      {
        testFile: text(options, "test"),
        testName: text(options, "case"),
        headers: list(options, "header"),
        body: text(options, "body"),
        responseHeaders: list(options, "responseHeader"),
        responseBody: text(options, "responseBody"),
      },
      context.cwd,
    );
    const request = {
      source: argument(input, 0),
      against: text(options, "against"),
      config: await textOrFile(text(options, "config"), "--config", context.cwd),
      rootId: text(options, "rootId"),
      check: notDenied(options, "check"),
      vmConfig: await textOrFile(text(options, "vmConfig"), "--vm-config", context.cwd),
      streams: requestsOf(integer(options, "requests", 20_000)),
      shape,
      crowd: crowdOf(integer(options, "openStreams", 0)) ?? crowd,
    };
    const { benchFilter } = await import("../../sandbox/bench/bench-filter.ts");
    const store = await openStoreFor(context, options);
    const result: BenchResult = await benchFilter({ ...context, store }, request, context.events);
    return {
      json: versioned("BenchResult", result),
      names: [`${result.warm.perStream.median.toFixed(3)} us`],
      text: (style) => renderBench(result, style),
    };
  },
};

function requestsOf(count: number): number {
  if (count >= 1) return count;
  throw usageError("NUMBER_INVALID", `--requests ${count} is not 1 or more`);
}

/** As many of them go on after each batch as Google's tester lets by default. */
function crowdOf(streams: number): { readonly streams: number; readonly advance: number } | undefined {
  if (streams === 0) return undefined;
  if (streams > 0) return { streams, advance: 3 };
  throw usageError("NUMBER_INVALID", `--open-streams ${streams} is not 0 or more`);
}
