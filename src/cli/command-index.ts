import type { CommandSpec } from "./command-spec.ts";

/** What the top level knows of a command without loading it. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandSpec>;
}

/** A heading of the top-level help and the commands under it, in the order they are shown. */
export interface CommandSection {
  readonly title: string;
  readonly commands: readonly CommandEntry[];
}

/** Groups that only hold sub-commands (`deploy`), with their summary. */
export const GROUPS: Readonly<Record<string, string>> = {
  deploy: "Deploy a filter to a data plane",
  undeploy: "Remove a filter from a data plane",
  cache: "Run the node cache in a cluster",
  operator: "Run the operator in a cluster",
  registry: "Run a registry on this machine",
  store: "Look after the local image store",
};

/** Every command there is. A test holds names and summaries against the specs. */
export const COMMAND_INDEX: readonly CommandSection[] = [
  {
    title: "Author a filter",
    commands: [
      entry("init", "Create a filter project from a template", async () => (await import("./commands/init.ts")).init),
      entry(
        "build",
        "Build a filter and store it as an image",
        async () => (await import("./commands/build.ts")).build,
      ),
      entry(
        "build precompiled",
        "Store a compiled module as an image",
        async () => (await import("./commands/build/precompiled.ts")).buildPrecompiled,
      ),
      entry(
        "run",
        "Serve a filter on this machine, without a proxy",
        async () => (await import("./commands/run.ts")).run,
      ),
      entry("test", "Test a filter without Envoy", async () => (await import("./commands/test.ts")).test),
      entry("bench", "Measure what a filter costs", async () => (await import("./commands/bench.ts")).bench),
      entry(
        "check",
        "Tell where a filter will load, and why not elsewhere",
        async () => (await import("./commands/check.ts")).check,
      ),
      entry(
        "doctor",
        "Show what this machine can build, and what it lacks",
        async () => (await import("./commands/doctor.ts")).doctor,
      ),
    ],
  },
  {
    title: "Images",
    commands: [
      entry("list", "List images", async () => (await import("./commands/list.ts")).list),
      entry("tag", "Give an image another reference", async () => (await import("./commands/tag.ts")).tag),
      entry(
        "convert",
        "Give an image another format and reference",
        async () => (await import("./commands/convert.ts")).convert,
      ),
      entry("rm", "Remove images from the local store", async () => (await import("./commands/rm.ts")).rm),
      entry("inspect", "Show what an image is and can do", async () => (await import("./commands/inspect.ts")).inspect),
      entry("push", "Upload an image to a registry", async () => (await import("./commands/push.ts")).push),
      entry("pull", "Download an image from a registry", async () => (await import("./commands/pull.ts")).pull),
      entry("login", "Store credentials for a registry", async () => (await import("./commands/login.ts")).login),
      entry("logout", "Remove stored credentials", async () => (await import("./commands/logout.ts")).logout),
    ],
  },
  {
    title: "Local store",
    commands: [
      entry(
        "save",
        "Write images into one file, to carry elsewhere",
        async () => (await import("./commands/save.ts")).save,
      ),
      entry(
        "load",
        "Take images from a file into the local store",
        async () => (await import("./commands/load.ts")).load,
      ),
      entry(
        "store verify",
        "Read and check every byte of the local store",
        async () => (await import("./commands/store/verify.ts")).storeVerify,
      ),
      entry(
        "store prune",
        "Remove content no image needs",
        async () => (await import("./commands/store/prune.ts")).storePrune,
      ),
      entry(
        "store migrate",
        "Take over the images of an old wasme",
        async () => (await import("./commands/store/migrate.ts")).storeMigrate,
      ),
      entry(
        "store path",
        "Print the folder of the local store",
        async () => (await import("./commands/store/path.ts")).storePath,
      ),
    ],
  },
  {
    title: "Deploy",
    commands: [
      entry(
        "deploy istio",
        "Deploy a filter to workloads in an Istio mesh",
        async () => (await import("./commands/deploy/istio.ts")).deployIstio,
      ),
      entry(
        "deploy envoy",
        "Run a filter in an Envoy on this machine",
        async () => (await import("./commands/deploy/envoy.ts")).deployEnvoy,
      ),
      entry(
        "undeploy istio",
        "Remove a filter from workloads in an Istio mesh",
        async () => (await import("./commands/undeploy/istio.ts")).undeployIstio,
      ),
      entry(
        "status",
        "Show how far the filters in a cluster are, and what is in the way",
        async () => (await import("./commands/status.ts")).status,
      ),
      entry(
        "migrate",
        "Turn what an old wasme left in a cluster into today's objects",
        async () => (await import("./commands/migrate.ts")).migrateCommand,
      ),
    ],
  },
  {
    title: "In the cluster",
    commands: [
      entry(
        "cache serve",
        "Fetch listed modules and serve them to a node's proxies",
        async () => (await import("./commands/cache/serve.ts")).cacheServe,
      ),
      entry(
        "cache manifests",
        "Print the objects that install the node cache",
        async () => (await import("./commands/cache/manifests.ts")).cacheManifests,
      ),
      entry(
        "operator run",
        "Bring about what FilterDeployments ask for",
        async () => (await import("./commands/operator/run.ts")).operatorRun,
      ),
      entry(
        "operator manifests",
        "Print the objects that install the operator",
        async () => (await import("./commands/operator/manifests.ts")).operatorManifests,
      ),
    ],
  },
  {
    title: "Registry",
    commands: [
      entry(
        "registry serve",
        "Run an OCI registry on this machine",
        async () => (await import("./commands/registry/serve.ts")).registryServe,
      ),
      entry(
        "registry htpasswd",
        "Print a line for a file of users",
        async () => (await import("./commands/registry/htpasswd.ts")).registryHtpasswd,
      ),
    ],
  },
  {
    title: "More",
    commands: [
      entry(
        "completion",
        "Print a shell completion script",
        async () => (await import("./commands/completion.ts")).completion,
      ),
    ],
  },
];

/** All entries in one list. */
export function allCommands(): readonly CommandEntry[] {
  return COMMAND_INDEX.flatMap((section) => section.commands);
}

/** The entry whose path the words begin with, the longest one, and how many words it takes. */
export function findCommand(words: readonly string[]): { entry: CommandEntry; length: number } | undefined {
  for (let length = Math.min(words.length, 2); length > 0; length -= 1) {
    const name = words.slice(0, length).join(" ");
    const found = allCommands().find((command) => command.name === name);
    if (found !== undefined) return { entry: found, length };
  }
  return undefined;
}

function entry(name: string, summary: string, load: () => Promise<CommandSpec>): CommandEntry {
  return { name, summary, load };
}
