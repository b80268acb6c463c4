import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Env, envValue } from "./env.ts";

/** Where wasme keeps and finds things; every path absolute. */
export interface Paths {
  /** `$WASME_HOME`, default `~/.wasme`. */
  readonly home: string;
  /** The local image store, an OCI layout: `$WASME_HOME/images`. */
  readonly store: string;
  /** The old tool's store; only ever read. */
  readonly legacyStore: string;
  /** The old tool's credentials; only ever read. */
  readonly legacyCredentials: string;
  /** Folder of Docker's `config.json`: `$DOCKER_CONFIG`, default `~/.docker`. */
  readonly dockerConfigDir: string;
  /** For temporary folders: `$TMPDIR`. */
  readonly tmp: string;
}

/** Works the paths out from the environment. */
export function resolvePaths(env: Env, cwd: string): Paths {
  const userHome = envValue(env, "HOME") ?? homedir();
  const home = resolve(cwd, envValue(env, "WASME_HOME") ?? join(userHome, ".wasme"));
  return {
    home,
    store: join(home, "images"),
    legacyStore: join(home, "store"),
    legacyCredentials: join(home, "credentials.json"),
    dockerConfigDir: resolve(cwd, envValue(env, "DOCKER_CONFIG") ?? join(userHome, ".docker")),
    tmp: envValue(env, "TMPDIR") ?? tmpdir(),
  };
}
