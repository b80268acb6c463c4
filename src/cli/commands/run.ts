import type { CommandSpec } from "../command-spec.ts";
import { argument } from "../command-spec.ts";
import { filterOptions } from "../options/filter.ts";
import { choice, duration, flag, list, notDenied, text } from "../options/read.ts";
import { openStoreFor, storeOptions } from "../options/store.ts";
import { interrupted } from "../outcome.ts";
import { FAILURE_POLICIES } from "../../domain/filter.ts";

const FILTER = "Filter";
const TRAFFIC = "Traffic";
const RECORD = "Recording";
const PROFILES = ["envoy", "google", "nginx"] as const;
const LEVELS = ["trace", "debug", "info", "warn", "error", "critical"] as const;

/** `wasme run (REF|FILE|DIR)`. */
export const run: CommandSpec = {
  name: "run",
  summary: "Serve a filter on this machine, without a proxy",
  description:
    "Put a filter behind an HTTP listener (HTTP/1.1, and cleartext HTTP/2) until Ctrl-C: it runs in the embedded host, " +
    "which behaves as Envoy does, in front of --upstream, or of an echo service that answers with what it saw. " +
    "An image of the local store, a compiled module, or a project's folder, which is built first. " +
    "Each request, and what the filter logs, is a line on stderr: JSON when that is not a terminal, or under -o json.",
  examples: [
    { command: "wasme run .", does: "build the project here and serve it; then: curl -i localhost:8080" },
    { command: "wasme run . --watch", does: "build and serve it anew whenever its source changes" },
    { command: "wasme run hello:v1 --config @config.json --upstream https://example.com", does: "in front of a site" },
    {
      command: "wasme run filter.wasm --cluster auth=http://127.0.0.1:9000 --log-level debug",
      does: "where its callouts go, and all it logs",
    },
    { command: "wasme run . --record recorded.test.yaml", does: "then: wasme test recorded.test.yaml" },
  ],
  arguments: [
    {
      name: "<filter>",
      description: "image of the local store, module file, or project folder",
      complete: "image-or-file",
    },
  ],
  options: [
    { flags: "-l, --listen <address>", description: "HOST:PORT; port 0 takes a free one", default: "127.0.0.1:8080" },
    { flags: "-w, --watch", description: "serve it anew when its source, file or configuration changes" },
    {
      flags: "--log-level <level>",
      description: "lines of the filter below it are dropped",
      choices: LEVELS,
      default: "info",
      group: FILTER,
    },
    ...filterOptions.map((option) => ({ ...option, group: FILTER })),
    { flags: "--vm-config <text>", description: "VM configuration; @file reads it from a file", group: FILTER },
    {
      flags: "--property <name=value>",
      description: 'a property the filter can read; {"int": 5} says its type',
      repeatable: true,
      group: FILTER,
    },
    {
      flags: "--profile <host>",
      description: "whose rules to follow",
      choices: PROFILES,
      default: "envoy",
      group: FILTER,
    },
    {
      flags: "--no-check",
      description: "hand the configuration over whatever its schema says",
      group: FILTER,
    },
    {
      flags: "--stub-unknown",
      description: "run a module that imports proxy_ functions no proxy has; calls are reported",
      group: FILTER,
    },
    {
      flags: "--upstream <url>",
      description: "where requests go: http:, https: or h2c: URL; default an echo service",
      group: TRAFFIC,
    },
    {
      flags: "--cluster <name=url>",
      description: "where callouts of that name go; gRPC needs h2c: or https:",
      repeatable: true,
      group: TRAFFIC,
    },
    {
      flags: "--timeout <duration>",
      description: "longest wait for a response, as in a route; 0 waits for ever",
      default: "15s",
      group: TRAFFIC,
    },
    {
      flags: "--record <file>",
      description: "write each exchange to this file as a case of wasme test",
      complete: "file",
      group: RECORD,
    },
    {
      flags: "--record-secrets",
      description: "write the values of authorization, cookie and set-cookie, too",
      group: RECORD,
    },
    ...storeOptions,
  ],
  endless: () => true,
  async run(context, input) {
    const { options } = input;
    const { parseListenAddress } = await import("../../platform/listen-address.ts");
    const request = {
      source: argument(input, 0),
      listen: parseListenAddress(text(options, "listen") ?? "127.0.0.1:8080", 8080),
      upstream: text(options, "upstream"),
      clusters: list(options, "cluster"),
      timeoutMs: duration(options, "timeout", "15s"),
      config: text(options, "config"),
      vmConfig: text(options, "vmConfig"),
      rootId: text(options, "rootId"),
      failurePolicy: choice(options, "fail", FAILURE_POLICIES, "closed"),
      properties: list(options, "property"),
      profile: choice(options, "profile", PROFILES, "envoy"),
      logLevel: choice(options, "logLevel", LEVELS, "info"),
      stubUnknown: flag(options, "stubUnknown"),
      check: notDenied(options, "check"),
      watch: flag(options, "watch"),
      record: text(options, "record"),
      recordSecrets: flag(options, "recordSecrets"),
    };
    const { runFilter } = await import("../../sandbox/run/run-filter.ts");
    const { createRunLog } = await import("./run-log.ts");
    const store = await openStoreFor(context, options);
    await runFilter({ ...context, store }, request, createRunLog(context), context.events);
    return interrupted(context.signal);
  },
};
