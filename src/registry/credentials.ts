import { homedir } from "node:os";
import { join } from "node:path";
import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { type Env, envValue } from "../platform/env.ts";
import type { Paths } from "../platform/paths.ts";
import type { ProcessRunner } from "../platform/process-runner.ts";
import { type AuthFile, findAuth, keysOf, parseAuthFile, readAuthFile, readNamedAuthFile } from "./auth-file.ts";
import type { Credential, CredentialSource } from "./credential.ts";
import { credentialHelper } from "./credential-helper.ts";
import { credentialKey } from "./registry-host.ts";

/** Where credentials are looked for. */
export interface CredentialDeps {
  readonly env: Env;
  readonly paths: Pick<Paths, "dockerConfigDir" | "legacyCredentials">;
  readonly exec: ProcessRunner;
  readonly events?: EventSink;
  /** Ends a helper that is running: it does not get the terminal's own Ctrl-C. */
  readonly signal?: AbortSignal;
  /** From the command line: wins over everything, for every registry. */
  readonly explicit?: Credential;
  /** Files in Docker's form asked for by name, or their content; must exist. */
  readonly authFiles?: readonly (string | AuthFile)[];
}

/**
 * Finds credentials where Docker, Podman and the old wasme keep them, the first that has one wins: the command line;
 * files named there; `DOCKER_AUTH_CONFIG` (the JSON itself); Docker's `config.json` (`credHelpers`, `credsStore`,
 * `auths`); containers' `auth.json` (`REGISTRY_AUTH_FILE`, the run-time and the config directory);
 * `~/.wasme/credentials.json`.
 */
export function createCredentials(deps: CredentialDeps): CredentialSource {
  return async (host, repository) => {
    if (deps.explicit !== undefined) return deps.explicit;
    for (const place of places(deps)) {
      const file = await place();
      const found = file === undefined ? undefined : await findIn(file, { host, repository }, deps);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Path of Docker's config file. */
export function dockerConfigFile(deps: Pick<CredentialDeps, "paths">): string {
  return join(deps.paths.dockerConfigDir, "config.json");
}

type Place = () => Promise<AuthFile | undefined>;

function places(deps: CredentialDeps): readonly Place[] {
  const inline = envValue(deps.env, "DOCKER_AUTH_CONFIG");
  const files = [dockerConfigFile(deps), ...containersFiles(deps.env), deps.paths.legacyCredentials];
  return [
    ...(deps.authFiles ?? []).map(
      (file): Place =>
        () =>
          typeof file === "string" ? readNamedAuthFile(file) : Promise.resolve(file),
    ),
    ...(inline === undefined
      ? []
      : [(): ReturnType<Place> => Promise.resolve(parseAuthFile(inline, "DOCKER_AUTH_CONFIG"))]),
    ...files.map(
      (file): Place =>
        () =>
          readAuthFile(file),
    ),
  ];
}

/** Where Podman, Buildah and Skopeo keep theirs (containers-auth.json(5)); a file named by the variable is the only one. */
function containersFiles(env: Env): readonly string[] {
  const named = envValue(env, "REGISTRY_AUTH_FILE");
  if (named !== undefined) return [named];
  const runtime = envValue(env, "XDG_RUNTIME_DIR");
  const config = envValue(env, "XDG_CONFIG_HOME") ?? join(envValue(env, "HOME") ?? homedir(), ".config");
  return [...(runtime === undefined ? [] : [runtime]), config].map((dir) => join(dir, "containers", "auth.json"));
}

interface Wanted {
  readonly host: string;
  readonly repository: string | undefined;
}

/** A helper for this very host must work; the general one may be left over from another machine. */
async function findIn(file: AuthFile, wanted: Wanted, deps: CredentialDeps): Promise<Credential | undefined> {
  const { host, repository } = wanted;
  const own = helperFor(file, host);
  if (own !== undefined) {
    const found = await credentialHelper(own, deps).get(credentialKey(host), deps.signal);
    if (found !== undefined) return found;
  } else if (file.credsStore !== undefined) {
    const found = await askGeneralHelper(file.credsStore, host, deps);
    if (found !== undefined) return found;
  }
  return findAuth(file, host, repository);
}

/** The helper `credHelpers` names for a host. */
export function helperFor(file: AuthFile, host: string): string | undefined {
  const key = keysOf(file.credHelpers, host)[0];
  const name = key === undefined ? undefined : file.credHelpers[key];
  return typeof name === "string" && name !== "" ? name : undefined;
}

async function askGeneralHelper(name: string, host: string, deps: CredentialDeps): Promise<Credential | undefined> {
  try {
    return await credentialHelper(name, deps).get(credentialKey(host), deps.signal);
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    (deps.events ?? ignoreEvents)({ type: "warning", message: `${error.message}; going on without it`, ...hint });
    return undefined;
  }
}
