import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Env, envValue } from "../platform/env.ts";

/** Full path of a program in `PATH`, or `undefined`. */
export async function findProgram(env: Env, name: string): Promise<string | undefined> {
  for (const directory of (envValue(env, "PATH") ?? "").split(delimiter)) {
    const path = join(directory, name);
    if (directory !== "" && (await isExecutable(path))) return path;
  }
  return undefined;
}

/** True for a file that can be executed. */
export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
