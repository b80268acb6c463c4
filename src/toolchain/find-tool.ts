import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { type Env, envValue } from "../platform/env.ts";

/**
 * The absolute path of a program: `name` as it stands when it is a path (relative ones start at `folder`), else the
 * first one in `PATH`. `undefined` when there is none that can be run.
 */
export async function findTool(env: Env, name: string, folder = "."): Promise<string | undefined> {
  if (isAbsolute(name) || /[/\\]/u.test(name)) {
    const path = resolve(folder, name);
    return (await isProgram(path)) ? path : undefined;
  }
  for (const directory of (envValue(env, pathName(env)) ?? "").split(delimiter)) {
    if (directory === "") continue;
    for (const ending of ENDINGS) {
      const path = resolve(join(directory, name + ending));
      if (await isProgram(path)) return path;
    }
  }
  return undefined;
}

/**
 * The folder that the installer of Go or of Rust uses, when the program is there: what is missing then is only that folder
 * in `PATH`. `undefined` for a program that is not there, and for others.
 */
export async function installedBesidePath(env: Env, name: string): Promise<string | undefined> {
  const folder = USUAL_PLACES[name]?.(env);
  return folder !== undefined && (await isProgram(join(folder, name))) ? folder : undefined;
}

const USUAL_PLACES: Readonly<Record<string, (env: Env) => string>> = {
  go: () => "/usr/local/go/bin",
  cargo: cargoBin,
  rustc: cargoBin,
};

function cargoBin(env: Env): string {
  return join(envValue(env, "CARGO_HOME") ?? join(envValue(env, "HOME") ?? "/", ".cargo"), "bin");
}

/** What the user types so that programs of a folder are found. */
export function pathCommand(folder: string): string {
  return `export PATH="${folder}:$PATH"`;
}

/** Windows spells it `Path`. */
function pathName(env: Env): string {
  if (process.platform !== "win32") return "PATH";
  return Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
}

const ENDINGS: readonly string[] = process.platform === "win32" ? [".exe", ".cmd", ".bat", ""] : [""];

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
