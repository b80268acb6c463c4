import { join, resolve } from "node:path";
import { errnoOf, usageError, type WasmeError } from "../../domain/errors.ts";
import type { AuthFile } from "../../registry/auth-file.ts";
import type { RegistryClient, RegistryClientOptions } from "../../registry/client.ts";
import type { Credential, CredentialSource } from "../../registry/credential.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { packageVersion } from "../version.ts";
import { byteSize, duration, flag, list, text, type Values } from "./read.ts";

const GROUP = "Registry options";

/** How to reach a registry, common to every command that talks to one. */
export const connectionOptions: readonly OptionSpec[] = [
  { flags: "--plain-http", description: "talk plain http; loopback addresses need no flag", group: GROUP },
  { flags: "--insecure", description: "do not verify the server's certificate", group: GROUP },
  {
    flags: "--ca-file <file>",
    description: "PEM file with certificate authorities to trust as well",
    group: GROUP,
    complete: "file",
  },
  {
    flags: "--cert-file <file>",
    description: "PEM file with a client certificate to show to the registry",
    group: GROUP,
    complete: "file",
  },
  {
    flags: "--key-file <file>",
    description: "PEM file with the key of --cert-file",
    group: GROUP,
    complete: "file",
  },
];

/** How blobs are uploaded, for commands that push. */
export const uploadOptions: readonly OptionSpec[] = [
  {
    flags: "--chunk-size <size>",
    description: "upload in pieces of this size, like 8MiB; by default only where a registry needs it",
    group: GROUP,
  },
];

/** Credentials on the command line, and where else to look. */
export const credentialOptions: readonly OptionSpec[] = [
  { flags: "-u, --username <name>", description: "user name; wins over stored credentials", group: GROUP },
  {
    flags: "-p, --password <secret>",
    description: "password; others on this machine can see it, prefer --password-stdin",
    group: GROUP,
  },
  { flags: "--password-stdin", description: "read the password from stdin", group: GROUP },
];

/** Everything for `push`, `pull` and commands that resolve an image. */
export const registryOptions: readonly OptionSpec[] = [
  ...connectionOptions,
  ...credentialOptions,
  {
    flags: "--auth-file <file>",
    description: "credentials file in Docker's form, tried before the usual places",
    group: GROUP,
    repeatable: true,
    complete: "file",
  },
  {
    flags: "--retry-budget <duration>",
    description: "longest time to wait for a busy registry",
    default: "15s",
    group: GROUP,
  },
];

/** The old tool's spelling of `--auth-file`. */
export const legacyAuthFileOption: OptionSpec = {
  flags: "-c, --config <file>",
  description: "old spelling of --auth-file",
  repeatable: true,
  hidden: true,
};

/** The values with `--config`, the old spelling, taken for `--auth-file`: for the commands that had it. */
export function withOldAuthFile(context: Context, values: Values): Values {
  const old = list(values, "config");
  if (old.length === 0) return values;
  context.events({ type: "warning", message: "--config is now called --auth-file" });
  return { ...values, authFile: [...list(values, "authFile"), ...old] };
}

/**
 * Where credentials come from: flags, then files and helpers. What was typed is checked at once; the code that looks for
 * the rest is loaded when a registry asks.
 */
async function credentialsOf(context: Context, values: Values): Promise<CredentialSource> {
  const explicit = await explicitCredential(context, values);
  const named = list(values, "authFile");
  for (const file of named) await requireFile(context, file, "--auth-file");
  const authFiles = await readAuthFiles(named.map((file) => resolve(context.cwd, file)));
  let source: Promise<CredentialSource> | undefined;
  const open = async (): Promise<CredentialSource> => {
    const { createCredentials } = await import("../../registry/credentials.ts");
    return createCredentials({ ...context, authFiles, ...(explicit === undefined ? {} : { explicit }) });
  };
  return async (host, repository) => (await (source ??= open()))(host, repository);
}

/** Read at once, so that a mistake in one is told before anything is done, and once, so that a pipe can be given. */
async function readAuthFiles(paths: readonly string[]): Promise<readonly AuthFile[]> {
  if (paths.length === 0) return [];
  const { readNamedAuthFile } = await import("../../registry/auth-file.ts");
  return Promise.all(paths.map((path) => readNamedAuthFile(path)));
}

/** A file that was named must be there: the usual places may lack theirs, but a typing mistake must not go unnoticed. */
async function requireFile({ cwd }: Context, file: string, what: string): Promise<void> {
  const { access, constants } = await import("node:fs/promises");
  try {
    await access(resolve(cwd, file), constants.R_OK);
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "no such file" : "permission denied";
    throw usageError("FILE_UNREADABLE", `${what}: cannot read ${file}: ${why}`, { cause: error });
  }
}

/** User name and password of the command line; both or none. Throws `CREDENTIAL_INCOMPLETE` (usage). */
async function explicitCredential(context: Context, values: Values): Promise<Credential | undefined> {
  const username = text(values, "username");
  const password = await passwordOf(context, values);
  if (username === undefined && password === undefined) return undefined;
  if (username !== undefined && password !== undefined) return { kind: "basic", username, password };
  throw usageError("CREDENTIAL_INCOMPLETE", `${username === undefined ? "--username" : "a password"} is missing`, {
    hint: "give --username with --password-stdin, or neither to use stored credentials",
  });
}

/** `--password`, or what stdin holds under `--password-stdin`, without its last line break. Throws usage errors. */
export async function passwordOf(context: Context, values: Values): Promise<string | undefined> {
  const typed = text(values, "password");
  if (!flag(values, "passwordStdin")) {
    if (typed === "") throw noPassword("--password is empty");
    if (typed !== undefined)
      context.events({ type: "warning", message: "--password can be seen by others; use --password-stdin" });
    return typed;
  }
  if (typed !== undefined) throw usageError("CREDENTIAL_TWICE", "--password and --password-stdin exclude each other");
  const { readAll } = await import("../../platform/read-stdin.ts");
  const password = (await readAll(context.terminal.stdin, MAX_PASSWORD)).replace(/\r?\n$/u, "");
  if (password !== "") return password;
  throw noPassword("stdin holds no password");
}

function noPassword(message: string): WasmeError {
  return usageError("PASSWORD_EMPTY", message, {
    hint: 'pipe it in: printf %s "$PASSWORD" | wasme … --password-stdin',
  });
}

/** Bytes; no token is longer. */
const MAX_PASSWORD = 64 * 1024;

/** Works with a registry client, and with ones that have no credentials, when it asks for them. */
type RegistryWork<T> = (client: RegistryClient, stranger: () => RegistryClient) => Promise<T>;

/** Runs work with registry clients made of the options, and closes their connections after. */
export async function withRegistry<T>(context: Context, values: Values, work: RegistryWork<T>): Promise<T> {
  return await registryUser(context, values)(work);
}

/** {@link withRegistry} for who works more than once: what is typed or piped in is read the first time alone. */
export function registryUser(context: Context, values: Values): <T>(work: RegistryWork<T>) => Promise<T> {
  let credentials: Promise<CredentialSource> | undefined;
  return async (work) => {
    const createClient = await clientMaker(context, values);
    const opened: RegistryClient[] = [];
    const open = (source: CredentialSource): RegistryClient => {
      const client = createClient(source);
      opened.push(client);
      return client;
    };
    const client = open(await (credentials ??= credentialsOf(context, values)));
    try {
      return await work(client, () => open(() => Promise.resolve(undefined)));
    } finally {
      for (const one of opened) one.close();
    }
  };
}

/** What a long-running program reaches registries with. */
export interface RegistryMaker {
  /** The credentials of options, files and helpers; files are read anew each time, since they may be exchanged. */
  readonly common: CredentialSource;
  readonly createClient: (credentials: CredentialSource) => RegistryClient;
}

/** How long a client waits, where no option says it. */
export type RegistryPatience = Pick<RegistryClientOptions, "retryBudgetMs" | "connectTimeoutMs" | "idleTimeoutMs">;

/** The same as {@link withRegistry} takes, for programs with clients of several credentials. Throws usage errors. */
export async function registryMaker(
  context: Context,
  values: Values,
  patience: RegistryPatience = {},
): Promise<RegistryMaker> {
  const explicit = await explicitCredential(context, values);
  const named = list(values, "authFile");
  for (const file of named) await requireFile(context, file, "--auth-file");
  const authFiles = named.map((file) => resolve(context.cwd, file));
  const { createCredentials } = await import("../../registry/credentials.ts");
  const common = createCredentials({ ...context, authFiles, ...(explicit === undefined ? {} : { explicit }) });
  return { common, createClient: await clientMaker(context, values, patience) };
}

async function clientMaker(
  context: Context,
  values: Values,
  patience: RegistryPatience = {},
): Promise<(credentials: CredentialSource) => RegistryClient> {
  const { createRegistryClient } = await import("../../registry/client.ts");
  const chunkSize = byteSize(values, "chunkSize", LEAST_CHUNK_KIB);
  const options = {
    env: context.env,
    clock: context.clock,
    events: context.events,
    plainHttp: flag(values, "plainHttp"),
    insecure: flag(values, "insecure"),
    ...(await pemFiles(context, values)),
    ...(chunkSize === undefined ? {} : { chunkSize }),
    configFile: join(context.paths.home, "registries.json"),
    retryBudgetMs: duration(values, "retryBudget", "15s"),
    userAgent: `wasme/${packageVersion()}`,
    ...patience,
  };
  return (credentials) => createRegistryClient({ ...options, credentials });
}

/** Smaller pieces cost more requests than anybody wants. */
const LEAST_CHUNK_KIB = 64;

type PemFiles = Pick<RegistryClientOptions, "caFile" | "certFile" | "keyFile">;

/** The files of authorities and of the client certificate. Throws `FILE_UNREADABLE`, `CLIENT_CERT_INCOMPLETE` (usage). */
async function pemFiles(context: Context, values: Values): Promise<PemFiles> {
  const files: Record<string, string> = {};
  for (const [name, option] of PEM_FILES) {
    const file = text(values, name);
    if (file === undefined) continue;
    await requireFile(context, file, option);
    files[name] = resolve(context.cwd, file);
  }
  const { certFile, keyFile }: PemFiles = files;
  if ((certFile === undefined) === (keyFile === undefined)) return files;
  const [given, missing] = certFile === undefined ? ["--key-file", "--cert-file"] : ["--cert-file", "--key-file"];
  throw usageError("CLIENT_CERT_INCOMPLETE", `${given} needs ${missing} beside it`, {
    hint: "give --cert-file FILE --key-file FILE, or neither",
  });
}

const PEM_FILES = [
  ["caFile", "--ca-file"],
  ["certFile", "--cert-file"],
  ["keyFile", "--key-file"],
] as const;
