import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { makeDirectory, writeError, writeFileAtomic } from "../platform/atomic-file.ts";
import { withFileLock } from "../platform/file-lock.ts";
import { formatAuthEntry } from "./auth-entry.ts";
import { type AuthFile, keysOf, readAuthFile } from "./auth-file.ts";
import type { Credential } from "./credential.ts";
import { credentialHelper } from "./credential-helper.ts";
import { type CredentialDeps, dockerConfigFile, helperFor } from "./credentials.ts";
import { credentialKey } from "./registry-host.ts";

/** Where a credential was put. A file holds it readable for whoever can read the file: say so. */
export type StoredIn =
  | { readonly kind: "helper"; readonly program: string }
  | { readonly kind: "file"; readonly path: string };

type StoreDeps = Pick<CredentialDeps, "env" | "paths" | "exec">;

const EMPTY: AuthFile = { where: "", raw: {}, auths: {}, credHelpers: {}, credsStore: undefined };

/**
 * Keeps a credential for a registry: with the helper Docker's config names for it, else in Docker's config file, which
 * keeps all else it holds, stays where a link leads, and gets mode 0600. Throws as {@link credentialHelper} and
 * `writeFileAtomic` do, and `AUTH_FILE_INVALID` (usage) rather than losing a file it cannot read.
 */
export async function storeCredential(
  deps: StoreDeps,
  host: string,
  credential: Credential,
  signal?: AbortSignal,
): Promise<StoredIn> {
  const file = (await readAuthFile(dockerConfigFile(deps))) ?? EMPTY;
  const helper = helperFor(file, host) ?? file.credsStore;
  const key = credentialKey(host);
  if (helper !== undefined) {
    await credentialHelper(helper, deps).store(key, credential, signal);
    return { kind: "helper", program: `docker-credential-${helper}` };
  }
  const path = await changeAuths(deps, signal, (auths) => {
    const others = keysOf(auths, host).filter((other) => other !== key);
    return without({ ...auths, [key]: formatAuthEntry(credential) }, others);
  });
  return { kind: "file", path };
}

/** Forgets what {@link storeCredential} keeps for a registry; the places it was removed from, none when there was none. */
export async function eraseCredential(
  deps: StoreDeps,
  host: string,
  signal?: AbortSignal,
): Promise<readonly StoredIn[]> {
  const file = await readAuthFile(dockerConfigFile(deps));
  if (file === undefined) return [];
  const erased: StoredIn[] = [];
  const name = helperFor(file, host) ?? file.credsStore;
  const helper = name === undefined ? undefined : credentialHelper(name, deps);
  if (helper !== undefined && (await helper.get(credentialKey(host), signal)) !== undefined) {
    await helper.erase(credentialKey(host), signal);
    erased.push({ kind: "helper", program: `docker-credential-${name ?? ""}` });
  }
  const keys = keysOf(file.auths, host);
  if (keys.length > 0) {
    const path = await changeAuths(deps, signal, (auths) => without(auths, keysOf(auths, host)));
    if (keys.some((key) => hasSecret(file.auths[key]))) erased.push({ kind: "file", path });
  }
  return erased;
}

/** Helpers' users leave an empty entry in `auths`; that is no secret. */
function hasSecret(entry: unknown): boolean {
  return isObject(entry) && Object.keys(entry).length > 0;
}

function without(object: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

/**
 * Changes the credentials in Docker's config file: under a lock, so that two logins at once are both kept, and where a
 * link leads, so that the link stays. Docker indents by tabs. Returns the file that was written.
 */
async function changeAuths(
  deps: StoreDeps,
  signal: AbortSignal | undefined,
  edit: (auths: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>,
): Promise<string> {
  const target = await followLink(dockerConfigFile(deps));
  try {
    // A new directory is for its owner alone; one that is there keeps its mode.
    await makeDirectory(dirname(target), 0o700);
  } catch (error) {
    throw writeError(error, target);
  }
  await withFileLock(
    `${target}.wasme-lock`,
    async () => {
      const { raw, auths } = (await readAuthFile(target)) ?? EMPTY;
      const config = { ...raw, auths: edit(auths) };
      await writeFileAtomic(target, `${JSON.stringify(config, undefined, "\t")}\n`, { mode: 0o600 });
    },
    { signal },
  );
  return target;
}

async function followLink(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return path;
    throw error;
  }
}
