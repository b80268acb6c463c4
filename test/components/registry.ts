import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { aptUnpack } from "./apt.ts";
import { createServerIdentity, createSigningCertificate, type ServerIdentity } from "./certificates.ts";
import { type Child, startChild } from "./child.ts";
import { findProgram } from "./run.ts";
import { startTokenServer, type TokenServer, type TokenServerBehaviour } from "./token-server.ts";
import { alice, registryUsers, type RegistryUser } from "./users.ts";

/** What kind of registry to start; the default lets everybody in over plain http. */
export interface RegistryOptions {
  /** `htpasswd` asks for Basic, `token` for a bearer token of a server that is started with it. */
  readonly auth?: "none" | "htpasswd" | "token";
  /** Serves https on 127.0.0.2 (clients force http on names like localhost) with an authority of its own. */
  readonly tls?: boolean;
  readonly token?: TokenServerBehaviour;
}

/** A running registry: Debian's docker-registry, data in a temporary folder. */
export interface RunningRegistry {
  /** `127.0.0.1:PORT`, as it stands in an image reference. */
  readonly host: string;
  /** `http://` or `https://` and the host. */
  readonly url: string;
  /** Somebody who may push and pull; undefined without authentication. More are in `users.ts`. */
  readonly user: RegistryUser | undefined;
  /** PEM file of the authority, alone in its folder (skopeo's `--cert-dir`); undefined without TLS. */
  readonly caFile: string | undefined;
  /** What is in {@link caFile}. */
  readonly ca: string | undefined;
  /** The token server; undefined unless `auth` is `token`. */
  readonly tokens: TokenServer | undefined;
  /** Where blobs are stored, for tests that damage them: `docker/registry/v2/blobs/sha256/…/data` below it. */
  readonly dataDirectory: string;
  log(): string;
  stop(): Promise<void>;
}

/** The registry's executable: in PATH, else unpacked from Debian's package. Throws `MissingComponent`. */
export async function registryPath(): Promise<string> {
  return (await findProgram("docker-registry")) ?? join(await aptUnpack("docker-registry"), "usr/bin/docker-registry");
}

/** Starts a registry and waits until it listens: under half a second (with TLS or tokens, certificates first). */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const program = await registryPath();
  const directory = await mkdtemp(join(tmpdir(), "wasme-registry-"));
  const address = options.tls === true ? "127.0.0.2" : "127.0.0.1";
  const auth = options.auth ?? "none";
  let tokens: TokenServer | undefined;
  let child: Child | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([child?.stop(), tokens?.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const identity = options.tls === true ? await createServerIdentity(directory, address) : undefined;
    if (auth === "token") tokens = await startTokens(directory, { address, identity, behaviour: options.token ?? {} });
    const config = join(directory, "config.yaml");
    const settings = { ...baseConfig(directory, address, identity), ...(await authConfig(directory, auth, tokens)) };
    await writeFile(config, stringify(settings));
    const running = await startChild(program, ["serve", config], {
      cwd: directory,
      env: cleanEnvironment(),
      scratch: directory,
    });
    child = running;
    const [, host = ""] = await running.seen(/listening on ([\d.]+:\d+)/);
    return {
      host,
      ...(await trust(host, identity)),
      user: auth === "none" ? undefined : alice,
      tokens,
      dataDirectory: join(directory, "data"),
      log: () => running.log(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function trust(
  host: string,
  identity: ServerIdentity | undefined,
): Promise<Pick<RunningRegistry, "url" | "caFile" | "ca">> {
  if (identity === undefined) return { url: `http://${host}`, caFile: undefined, ca: undefined };
  return { url: `https://${host}`, caFile: identity.caFile, ca: await readFile(identity.caFile, "utf8") };
}

function baseConfig(directory: string, address: string, identity: ServerIdentity | undefined): object {
  const tls = identity === undefined ? {} : { tls: { certificate: identity.certificate, key: identity.key } };
  return {
    version: "0.1",
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: join(directory, "data") }, delete: { enabled: true } },
    http: { addr: `${address}:0`, secret: "test", ...tls },
  };
}

async function authConfig(
  directory: string,
  auth: "none" | "htpasswd" | "token",
  tokens: TokenServer | undefined,
): Promise<object> {
  if (auth === "htpasswd") {
    const path = join(directory, "htpasswd");
    await writeFile(path, registryUsers.map(({ htpasswd }) => `${htpasswd}\n`).join(""));
    return { auth: { htpasswd: { realm: "wasme test", path } } };
  }
  if (tokens === undefined) return {};
  const { realm, service, issuer } = tokens;
  return { auth: { token: { realm, service, issuer, rootcertbundle: join(directory, "token.crt") } } };
}

interface TokenSetup {
  readonly address: string;
  readonly identity: ServerIdentity | undefined;
  readonly behaviour: TokenServerBehaviour;
}

async function startTokens(directory: string, setup: TokenSetup): Promise<TokenServer> {
  const { address, identity, behaviour } = setup;
  const signing = await createSigningCertificate(directory);
  return startTokenServer({ signing, address, behaviour, ...(identity === undefined ? {} : { tls: identity }) });
}

/** The registry takes every REGISTRY_… variable for a setting, skopeo's REGISTRY_AUTH_FILE too. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(REGISTRY|OTEL)_/.test(name));
  return { ...Object.fromEntries(kept), OTEL_TRACES_EXPORTER: "none" };
}
