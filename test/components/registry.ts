import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServerIdentity, createSigningCertificate, type ServerIdentity } from "./certificates.ts";
import { type Child, startChild } from "./child.ts";
import { prepareRegistry, type RegistryKind } from "./registry-kinds.ts";
import { startTokenServer, type TokenServer, type TokenServerBehaviour } from "./token-server.ts";
import { alice, type RegistryUser } from "./users.ts";

/** What kind of registry to start; the default lets everybody in over plain http. */
export interface RegistryOptions {
  /** Default `docker-registry`. */
  readonly kind?: RegistryKind;
  /** `htpasswd` asks for Basic, `token` for a bearer token of a server that is started with it. */
  readonly auth?: "none" | "htpasswd" | "token";
  /** Serves https on 127.0.0.2 (clients force http on names like localhost) with an authority of its own. */
  readonly tls?: boolean;
  readonly token?: TokenServerBehaviour;
}

/** A running registry, data in a temporary folder. */
export interface RunningRegistry {
  readonly kind: RegistryKind;
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
  /**
   * Where blobs are stored, for tests that damage them: below it `docker/registry/v2/blobs/sha256/…/data`, or zot's OCI
   * layouts, one folder for each repository.
   */
  readonly dataDirectory: string;
  log(): string;
  stop(): Promise<void>;
}

/** What a client needs to know of a registry. */
export type RegistryAddress = Pick<RunningRegistry, "host" | "user" | "caFile">;

/** Starts a registry and waits until it listens: under half a second (with TLS or tokens, certificates first). */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const { kind = "docker-registry", auth = "none" } = options;
  const directory = await mkdtemp(join(tmpdir(), "wasme-registry-"));
  const address = options.tls === true ? "127.0.0.2" : "127.0.0.1";
  let tokens: TokenServer | undefined;
  let child: Child | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([child?.stop(), tokens?.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const tls = options.tls === true ? await createServerIdentity(directory, address) : undefined;
    if (auth === "token") tokens = await startTokens(directory, { address, tls, behaviour: options.token ?? {} });
    const tokenCertificate = join(directory, "token.crt");
    const setup = { directory, address, tls, tokens, tokenCertificate, htpasswd: auth === "htpasswd" };
    const launch = await prepareRegistry(kind, setup);
    const place = { cwd: directory, env: cleanEnvironment(), scratch: directory };
    const running = await startChild(launch.program, launch.arguments, place);
    child = running;
    const host = launch.listening(await running.seen(launch.line));
    return {
      kind,
      host,
      ...(await trust(host, tls)),
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

interface TokenSetup {
  readonly address: string;
  readonly tls: ServerIdentity | undefined;
  readonly behaviour: TokenServerBehaviour;
}

async function startTokens(directory: string, setup: TokenSetup): Promise<TokenServer> {
  const { address, tls, behaviour } = setup;
  const signing = await createSigningCertificate(directory);
  return startTokenServer({ signing, address, behaviour, ...(tls === undefined ? {} : { tls }) });
}

/** The registry takes every REGISTRY_… variable for a setting, skopeo's REGISTRY_AUTH_FILE too. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(REGISTRY|OTEL)_/.test(name));
  return { ...Object.fromEntries(kept), OTEL_TRACES_EXPORTER: "none" };
}
