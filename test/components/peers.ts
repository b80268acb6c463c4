import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cranePath, orasPath } from "./go-programs.ts";
import type { RegistryAddress } from "./registry.ts";
import { runOk, type RunResult } from "./run.ts";
import { skopeoPath } from "./skopeo.ts";
import type { RegistryUser } from "./users.ts";

/** Registry clients of others that ours is held against. */
export type PeerName = "oras" | "crane" | "skopeo";

/** All of them. */
export const peerNames: readonly PeerName[] = ["oras", "crane", "skopeo"];

/** A client of others, with a home folder of its own: it remembers nothing from an earlier run. */
export interface Peer {
  readonly name: PeerName;
  /** Runs it as it is, in `cwd` (its home by default); throws unless it exits 0. */
  run(args: readonly string[], cwd?: string): Promise<RunResult>;
  /** Flags that make it accept the registry: plain http, or the authority of its certificate. */
  trust(side?: "from" | "to"): readonly string[];
  /** Logs in; the account is kept in {@link accounts}. */
  login(user: Pick<RegistryUser, "username" | "password">): Promise<void>;
  /** The folder with the `config.json` in which it keeps and finds accounts, Docker's form. */
  readonly accounts: string;
  /** Copies an image of the registry, named without its host, into a new OCI layout as its only image. */
  toLayout(image: string, directory: string): Promise<void>;
  /** Pushes the image of such a layout. */
  fromLayout(directory: string, image: string): Promise<void>;
}

/** The name {@link Peer.toLayout} gives to the image in a layout (crane gives none). */
const LAYOUT_TAG = "latest";

/** Opens a client for one registry that knows nobody yet; `home` is an existing folder. Throws `MissingComponent`. */
export async function openPeer(name: PeerName, registry: RegistryAddress, home: string): Promise<Peer> {
  const program = await programs[name]();
  const accounts = join(home, "docker");
  await mkdir(accounts, { recursive: true });
  const env = environment(home, accounts, registry);
  const run: Peer["run"] = (args, cwd = home) => runOk(program, args, { cwd, env });
  return { name, accounts, ...makers[name](registry, run) };
}

/** Lets a client be the registry's user, as if it had logged in. */
export async function knowAccount({ accounts }: Peer, { host, user }: RegistryAddress): Promise<void> {
  if (user === undefined) return;
  const auth = Buffer.from(`${user.username}:${user.password}`).toString("base64");
  await writeFile(join(accounts, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }));
}

const programs: Readonly<Record<PeerName, () => Promise<string>>> = {
  oras: orasPath,
  crane: cranePath,
  skopeo: skopeoPath,
};

/** skopeo remembers on which host it saw a blob and mounts it unasked; as root in one place for the whole machine. */
function environment(home: string, accounts: string, registry: RegistryAddress): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: home,
    XDG_DATA_HOME: join(home, "data"),
    _CONTAINERS_ROOTLESS_UID: "65534",
    DOCKER_CONFIG: accounts,
    REGISTRY_AUTH_FILE: join(accounts, "config.json"),
    ...(registry.caFile === undefined ? {} : { SSL_CERT_FILE: registry.caFile }),
  };
}

type Maker = (registry: RegistryAddress, run: Peer["run"]) => Omit<Peer, "name" | "accounts">;

const oras: Maker = ({ host, caFile }, run) => {
  const trust: Peer["trust"] = (side) => {
    const prefix = side === undefined ? "--" : `--${side}-`;
    return caFile === undefined ? [`${prefix}plain-http`] : [`${prefix}ca-file`, caFile];
  };
  const copy = (from: readonly string[], to: readonly string[]): Promise<RunResult> =>
    run(["copy", "--no-tty", ...from, ...to]);
  return {
    run,
    trust,
    login: async ({ username, password }) => {
      await run(["login", ...trust(), "--username", username, "--password", password, host]);
    },
    toLayout: async (image, directory) => {
      await copy([...trust("from"), `${host}/${image}`], ["--to-oci-layout", `${directory}:${LAYOUT_TAG}`]);
    },
    fromLayout: async (directory, image) => {
      await copy(["--from-oci-layout", `${directory}:${LAYOUT_TAG}`], [...trust("to"), `${host}/${image}`]);
    },
  };
};

const crane: Maker = ({ host, caFile }, run) => {
  const trust: Peer["trust"] = () => (caFile === undefined ? ["--insecure"] : []);
  return {
    run,
    trust,
    login: async ({ username, password }) => {
      await run(["auth", "login", "--username", username, "--password", password, host]);
    },
    toLayout: async (image, directory) => {
      await run(["pull", ...trust(), "--format", "oci", `${host}/${image}`, directory]);
    },
    fromLayout: async (directory, image) => {
      await run(["push", ...trust(), directory, `${host}/${image}`]);
    },
  };
};

const skopeo: Maker = ({ host, caFile }, run) => {
  const trust: Peer["trust"] = (side) => {
    const prefix = side === undefined ? "--" : { from: "--src-", to: "--dest-" }[side];
    return caFile === undefined ? [`${prefix}tls-verify=false`] : [`${prefix}cert-dir`, dirname(caFile)];
  };
  const copy = async (args: readonly string[]): Promise<void> => {
    await run(["--insecure-policy", "copy", "--preserve-digests", ...args]);
  };
  return {
    run,
    trust,
    login: async ({ username, password }) => {
      await run(["login", ...trust(), "--username", username, "--password", password, host]);
    },
    toLayout: (image, directory) =>
      copy([...trust("from"), `docker://${host}/${image}`, `oci:${directory}:${LAYOUT_TAG}`]),
    fromLayout: (directory, image) =>
      copy([...trust("to"), `oci:${directory}:${LAYOUT_TAG}`, `docker://${host}/${image}`]),
  };
};

const makers: Readonly<Record<PeerName, Maker>> = { oras, crane, skopeo };
