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
  const file = platform === "win32" ? `${program}.exe` : program;
  for (const dir of (envValue(env, "PATH") ?? "").split(delimiter)) {
    if (dir === "") continue;
    const found = await access(join(dir, file), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
