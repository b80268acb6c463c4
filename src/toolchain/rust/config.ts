import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Env, envValue } from "../../platform/env.ts";

/** What cargo's configuration files and variables say about flags and the target, as far as a build has to know it. */
export interface CargoConfig {
  /** `build.target` when it is a plain name. */
  readonly target: string | undefined;
  /** Whether `build.rustflags` is set. */
  readonly buildFlags: boolean;
  /** Whether `target.<triple>.rustflags` is set: it puts `build.rustflags` out of force. */
  targetFlags(triple: string): boolean;
}

/** Reads the files cargo would read in `folder`: those of the folder, of each one above it, and of cargo's home. */
export async function readCargoConfig(folder: string, env: Env): Promise<CargoConfig> {
  const folders: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    folders.push(join(at, ".cargo"));
    if (at === dirname(at)) break;
  }
  folders.push(cargoHome(env));
  const settings = new Map<string, string>();
  for (const place of folders.toReversed()) {
    for (const [key, value] of settingsIn(await configText(place))) settings.set(key, value);
  }
  const target =
    envValue(env, "CARGO_BUILD_TARGET") ??
    /^"([^"]+)"|^'([^']+)'/u.exec(settings.get("build.target") ?? "")?.[0].slice(1, -1);
  return {
    target,
    buildFlags: settings.has("build.rustflags") || env["CARGO_BUILD_RUSTFLAGS"] !== undefined,
    targetFlags: (triple) =>
      settings.has(`target.${triple}.rustflags`) ||
      env[`CARGO_TARGET_${triple.toUpperCase().replaceAll("-", "_")}_RUSTFLAGS`] !== undefined,
  };
}

/** `$CARGO_HOME`, default `~/.cargo`. */
export function cargoHome(env: Env): string {
  return envValue(env, "CARGO_HOME") ?? join(envValue(env, "HOME") ?? "/", ".cargo");
}

/** Cargo takes the name without an ending when both are there. */
async function configText(folder: string): Promise<string> {
  const old = await readFile(join(folder, "config"), "utf8").catch(() => undefined);
  return old ?? (await readFile(join(folder, "config.toml"), "utf8").catch(() => ""));
}

/**
 * Keys with their full names, and how their values begin. Not all of TOML: tables, dotted keys and inline tables of one
 * line, which is how these files are written.
 */
function settingsIn(text: string): readonly (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  let table = "";
  for (const line of text.split("\n")) {
    const header = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/u.exec(line)?.[1];
    const [, key, value = ""] = /^\s*([\w.'"-]+(?:\([^)]*\)['"]?[\w.]*)?)\s*=\s*(.*)$/u.exec(line) ?? [];
    if (header !== undefined) table = `${plainKey(header)}.`;
    else if (key !== undefined) {
      const name = table + plainKey(key);
      found.push([name, value]);
      for (const inner of value.startsWith("{") ? value.matchAll(/[{,]\s*([\w-]+)\s*=\s*([^,}]*)/gu) : []) {
        found.push([`${name}.${inner[1] ?? ""}`, inner[2] ?? ""]);
      }
    }
  }
  return found;
}

function plainKey(key: string): string {
  return key.replaceAll(/['"\s]/gu, "");
}
