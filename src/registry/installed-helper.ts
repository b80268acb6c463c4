import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Env, envValue } from "../platform/env.ts";

/** The helpers Docker takes by itself on each system, best first; Linux's `pass` is of use only with its program. */
const USUAL: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ["osxkeychain"],
  win32: ["wincred"],
  linux: ["pass", "secretservice"],
};

/**
 * The name of a credential helper that is installed on this machine and keeps secrets in the system's own vault;
 * `undefined` when there is none. It is only looked for, not run.
 */
export async function installedHelper(
  env: Env,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  for (const name of USUAL[platform] ?? []) {
    if (name === "pass" && !(await isInPath("pass", env, platform))) continue;
    if (await isInPath(`docker-credential-${name}`, env, platform)) return name;
  }
  return undefined;
}

async function isInPath(program: string, env: Env, platform: NodeJS.Platform): Promise<boolean> {
  return (await findInPath(program, env, platform)) !== undefined;
}

/**
 * Path of a program, looked for in the folders of PATH alone; `undefined` when it is in none. Windows would look into the
 * working directory before them: a helper that gets passwords must not come from a folder somebody else filled.
 */
export async function findInPath(program: string, env: Env, platform: NodeJS.Platform): Promise<string | undefined> {
  const isWindows = platform === "win32";
  const file = isWindows ? `${program}.exe` : program;
  // There the name of the variable is `Path` as often as not.
  const name = isWindows ? Object.keys(env).find((key) => key.toUpperCase() === "PATH") : "PATH";
  for (const dir of (envValue(env, name ?? "PATH") ?? "").split(delimiter)) {
    if (dir === "") continue;
    const path = join(dir, file);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
