import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { aptUnpack } from "./apt.ts";
import type { Certificate } from "./certificates.ts";
import { distributionPath, zotPath } from "./go-programs.ts";
import { findProgram } from "./run.ts";
import type { TokenServer } from "./token-server.ts";
import { registryUsers } from "./users.ts";

/** Debian's docker-registry 2.8, CNCF distribution 3 (its successor), or zot 1.4, an OCI-only registry with a code base of its own. */
export type RegistryKind = "docker-registry" | "distribution" | "zot";

/** All kinds, oldest first. */
export const registryKinds: readonly RegistryKind[] = ["docker-registry", "distribution", "zot"];

/** Under what name the global setup installs a kind; the name that `need` and `component` take. */
export const componentOf: Readonly<Record<RegistryKind, string>> = {
  "docker-registry": "registry",
  distribution: "distribution",
  zot: "zot",
};

/** What a registry is to do, as files and addresses. */
export interface RegistrySetup {
  /** Everything it writes goes here. */
  readonly directory: string;
  /** Loopback address to listen on; the port is the system's to choose. */
  readonly address: string;
  readonly tls: Certificate | undefined;
  /** Asks for Basic with the users of `users.ts`. */
  readonly htpasswd: boolean;
  /** Asks for its tokens. */
  readonly tokens: TokenServer | undefined;
  /** Certificate the tokens are signed with. */
  readonly tokenCertificate: string;
}

/** How to start it. */
export interface RegistryLaunch {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Finds `HOST:PORT` in the log line that says where it listens. */
  listening(match: RegExpExecArray): string;
  readonly line: RegExp;
}

/** The registry's executable: in PATH, else unpacked from Debian's package. Throws `MissingComponent`. */
export async function registryPath(): Promise<string> {
  return (await findProgram("docker-registry")) ?? join(await aptUnpack("docker-registry"), "usr/bin/docker-registry");
}

/** Writes the configuration of a kind and says how to start it. Throws `MissingComponent`. */
export async function prepareRegistry(kind: RegistryKind, setup: RegistrySetup): Promise<RegistryLaunch> {
  const program = await programs[kind]();
  if (setup.htpasswd) {
    await writeFile(htpasswdFile(setup), registryUsers.map(({ htpasswd }) => `${htpasswd}\n`).join(""));
  }
  if (kind === "zot") {
    const file = join(setup.directory, "config.json");
    await writeFile(file, JSON.stringify(zotConfig(setup)));
    return {
      program,
      arguments: ["serve", file],
      line: /"port":(\d+),"address":"([\d.]+)".*kernel chosen port/,
      listening: ([, port, address]) => `${address}:${port}`,
    };
  }
  const file = join(setup.directory, "config.yaml");
  await writeFile(file, stringify(distributionConfig(setup)));
  const line = /listening on ([\d.]+:\d+)/;
  return { program, arguments: ["serve", file], line, listening: ([, host = ""]) => host };
}

const programs: Readonly<Record<RegistryKind, () => Promise<string>>> = {
  "docker-registry": registryPath,
  distribution: distributionPath,
  zot: zotPath,
};

const REALM = "wasme test";

function htpasswdFile({ directory }: RegistrySetup): string {
  return join(directory, "htpasswd");
}

/** The configuration of docker-registry, which distribution 3 still takes. */
function distributionConfig(setup: RegistrySetup): object {
  const { directory, address, tls, tokens, tokenCertificate } = setup;
  const basic = setup.htpasswd ? { auth: { htpasswd: { realm: REALM, path: htpasswdFile(setup) } } } : {};
  const token = tokens && { realm: tokens.realm, service: tokens.service, issuer: tokens.issuer };
  return {
    version: "0.1",
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: join(directory, "data") }, delete: { enabled: true } },
    http: { addr: `${address}:0`, secret: "test", ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }) },
    ...basic,
    ...(token && { auth: { token: { ...token, rootcertbundle: tokenCertificate } } }),
  };
}

/** zot's. Its htpasswd users have rights of their own, so that somebody known may be refused (403). */
function zotConfig(setup: RegistrySetup): object {
  const { directory, address, tls, tokens, tokenCertificate } = setup;
  const names = (mayPush: boolean): readonly string[] =>
    registryUsers.filter((user) => user.mayPush === mayPush).map(({ username }) => username);
  const policies = [
    { users: names(true), actions: ["read", "create", "update", "delete"] },
    { users: names(false), actions: ["read"] },
  ];
  const basic = { auth: { htpasswd: { path: htpasswdFile(setup) } }, accessControl: { "**": { policies } } };
  const bearer = tokens && { realm: tokens.realm, service: tokens.service, cert: tokenCertificate };
  return {
    storage: { rootDirectory: join(directory, "data") },
    http: {
      address,
      port: "0",
      realm: REALM,
      ...(tls && { tls: { cert: tls.certificate, key: tls.key } }),
      ...(setup.htpasswd ? basic : {}),
      ...(bearer && { auth: { bearer } }),
    },
    log: { level: "info" },
  };
}
