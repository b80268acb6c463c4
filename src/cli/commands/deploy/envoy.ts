import { parseImageReference } from "../../../domain/image-reference.ts";
import { argument, type CommandSpec } from "../../command-spec.ts";
import { filterOptions, readFilter } from "../../options/filter.ts";
import { list, notDenied, text } from "../../options/read.ts";
import { openStoreFor, storeOptions } from "../../options/store.ts";
import { versioned } from "../../outcome.ts";

/** `wasme deploy envoy IMAGE`. */
export const deployEnvoy: CommandSpec = {
  name: "deploy envoy",
  summary: "Run a filter in an Envoy on this machine",
  description:
    "Put a filter of the local store into an Envoy bootstrap, before the router of every HTTP connection manager, and " +
    "run an Envoy with it: a native one, else in a container. The built-in bootstrap listens on 127.0.0.1:8080.",
  examples: [
    { command: "wasme deploy envoy hello:v1 --config greetings", does: "then: curl -i localhost:8080" },
    { command: "wasme deploy envoy hello:v1 --upstream https://example.com", does: "in front of a site" },
    {
      command: "wasme deploy envoy hello:v1 -b envoy.yaml --out -",
      does: "only print your bootstrap with the filter in it",
    },
  ],
  arguments: [{ name: "<image>", description: "reference in the local store", complete: "image" }],
  options: [
    { flags: "--id <id>", description: "name of the filter; default its root id" },
    ...filterOptions,
    { flags: "-b, --bootstrap <file>", description: "Envoy v3 bootstrap; - reads stdin", complete: "file" },
    {
      flags: "--upstream <url>",
      description: "where the built-in bootstrap sends requests; it answers itself without",
    },
    { flags: "--no-check", description: "do not look at the module, and do not run it here first" },
    { flags: "--out <file>", description: "only write the bootstrap; - prints it", complete: "file" },
    { flags: "-e, --envoy-image <image>", description: "run this container image, not a native Envoy" },
    { flags: "--docker-run-args <args>", description: "more arguments for docker run", repeatable: true },
    { flags: "--envoy-run-args <args>", description: "more arguments for Envoy", repeatable: true },
    ...storeOptions,
  ],
  async run(context, input) {
    const { options } = input;
    const image = parseImageReference(argument(input, 0));
    const { deployEnvoy: use } = await import("../../../sandbox/deploy-envoy.ts");
    const { readAll } = await import("../../../platform/read-stdin.ts");
    const store = await openStoreFor(context, options);
    const readStdin = async (): Promise<string> => await readAll(context.terminal.stdin, MAX_STDIN);
    const request = {
      image,
      id: text(options, "id"),
      ...(await readFilter(context, options)),
      check: notDenied(options, "check"),
      bootstrap: text(options, "bootstrap"),
      upstream: text(options, "upstream"),
      out: text(options, "out"),
      envoyImage: text(options, "envoyImage"),
      dockerRunArgs: list(options, "dockerRunArgs"),
      envoyRunArgs: list(options, "envoyRunArgs"),
    };
    const result = await use({ ...context, store, readStdin }, request, context.events);
    const { bootstrap } = result;
    return {
      json: versioned("DeployEnvoyResult", result),
      names: [result.id],
      ...(bootstrap === undefined ? {} : { raw: bootstrap }),
      text: () =>
        result.out === undefined
          ? ""
          : `Wrote ${request.out}: filter ${result.id} in ${managers(result.connectionManagers)}`,
    };
  },
};

function managers(count: number): string {
  return count === 1 ? "1 connection manager" : `${count} connection managers`;
}

/** Bytes of a bootstrap on stdin. */
const MAX_STDIN = 16 * 1024 * 1024;
