import { resolve } from "node:path";
import { usageError } from "../../../domain/errors.ts";
import { parseRegistryHost } from "../../../domain/image-reference.ts";
import type { RegistryAuth } from "../../../hub/registry-server.ts";
import type { CommandSpec } from "../../command-spec.ts";
import type { Context } from "../../context.ts";
import { duration, flag, notDenied, text, type Values } from "../../options/read.ts";
import { openStoreFor } from "../../options/store.ts";
import { interrupted } from "../../outcome.ts";

const USERS = "Users";
const TLS = "TLS";

/** `wasme registry serve`. */
export const registryServe: CommandSpec = {
  name: "registry serve",
  summary: "Run an OCI registry on this machine",
  description:
    "Serve the local store as an OCI registry (distribution spec 1.1) until Ctrl-C: for development, tests and demos. " +
    "Images stored as localhost:5000/… are served at once, and what is pushed shows in wasme list. " +
    "Each request is one line on stderr: JSON when that is not a terminal, or under -o json.",
  examples: [
    { command: "wasme registry serve", does: "then: wasme push localhost:5000/hello:v1" },
    { command: "wasme registry serve --listen 127.0.0.1:0 --dir ./images", does: "a free port, a folder of its own" },
    {
      command: "wasme registry serve --htpasswd users --auth token --anonymous-pull",
      does: "users push, everybody pulls",
    },
  ],
  arguments: [],
  options: [
    { flags: "-l, --listen <address>", description: "HOST:PORT; port 0 takes a free one", default: "127.0.0.1:5000" },
    {
      flags: "--dir <dir>",
      description: "folder of the images, an OCI layout: the local store",
      default: "~/.wasme/images",
      env: "WASME_HOME",
      complete: "directory",
    },
    { flags: "--store <dir>", description: "same as --dir", hidden: true, complete: "directory" },
    { flags: "--name <host>", description: "what image references call it, when it is behind a proxy" },
    { flags: "--read-only", description: "refuse all that changes something" },
    { flags: "--no-delete", description: "refuse to delete manifests, tags and blobs" },
    {
      flags: "--auth <mode>",
      description: "how users log in; default basic with --htpasswd, else none",
      choices: ["none", "basic", "token"],
      complete: ["none", "basic", "token"],
      group: USERS,
    },
    {
      flags: "--htpasswd <file>",
      description: "users and their bcrypt hashes; read again when it changes",
      group: USERS,
      complete: "file",
    },
    { flags: "--anonymous-pull", description: "let everybody pull; pushing still needs a user", group: USERS },
    {
      flags: "--token-lifetime <duration>",
      description: "how long a token is good for",
      default: "5m",
      group: USERS,
    },
    {
      flags: "--tls-cert <file>",
      description: "serve https with this certificate (PEM)",
      group: TLS,
      complete: "file",
    },
    { flags: "--tls-key <file>", description: "its private key (PEM)", group: TLS, complete: "file" },
  ],
  endless: () => true,
  async run(context, input) {
    const { options } = input;
    const { parseListenAddress } = await import("../../../platform/listen-address.ts");
    const name = text(options, "name");
    const request = {
      listen: parseListenAddress(text(options, "listen") ?? "127.0.0.1:5000", 5000),
      name: name === undefined ? undefined : parseRegistryHost(name),
      auth: authOf(context, options),
      tlsCert: text(options, "tlsCert"),
      tlsKey: text(options, "tlsKey"),
      readOnly: flag(options, "readOnly"),
      deletes: notDenied(options, "delete"),
    };
    const { serveRegistry } = await import("../../../hub/serve-registry.ts");
    const { createServerLog } = await import("./server-log.ts");
    const store = await openStoreFor(context, { store: text(options, "dir") ?? text(options, "store") });
    await serveRegistry({ ...context, store }, request, createServerLog(context));
    return interrupted(context.signal);
  },
};

/** Throws `AUTH_INCOMPLETE` (usage) for options that do not make sense together. */
function authOf({ cwd }: Context, options: Values): RegistryAuth | undefined {
  const file = text(options, "htpasswd");
  const mode = text(options, "auth") ?? (file === undefined ? "none" : "basic");
  const anonymousPull = flag(options, "anonymousPull");
  const tokenSeconds = Math.max(1, Math.ceil(duration(options, "tokenLifetime", "5m") / 1000));
  if (mode === "none") {
    if (file !== undefined) throw incomplete("--auth none and --htpasswd exclude each other", "leave one of them out");
    if (anonymousPull) throw incomplete("--anonymous-pull needs --htpasswd: without users everybody may push, too");
    return undefined;
  }
  if (file === undefined) throw incomplete(`--auth ${mode} needs --htpasswd`);
  return { mode: mode === "token" ? "token" : "basic", htpasswd: resolve(cwd, file), anonymousPull, tokenSeconds };
}

function incomplete(message: string, hint: string = MAKE_USERS): Error {
  return usageError("AUTH_INCOMPLETE", message, { hint });
}

const MAKE_USERS = "wasme registry htpasswd USER > users makes a file of users for --htpasswd";
