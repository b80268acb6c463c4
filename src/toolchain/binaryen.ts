import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EventSink } from "../domain/events.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { installPackages } from "./npm-install.ts";
import type { ToolchainDeps } from "./runner.ts";

/** Binaryen's optimizer: one JavaScript file. */
export interface Binaryen {
  /** `132.0.0`. */
  readonly version: string;
  /** The program for Node, absolute. It is there in the project, and may have to be installed otherwise. */
  readonly program: string;
  readonly inProject: boolean;
}

/** The version that the lock file beside wasme pins; it decides the digest of optimized modules. */
const PINNED = "132.0.0";

const LOCK: string = fileURLToPath(new URL("../../templates/.lib/binaryen", import.meta.url));

/** The binaryen in a project's `node_modules`, else the place of the one that wasme installs for itself. */
export async function findBinaryen(source: string, home: string): Promise<Binaryen> {
  const folder = join(source, "node_modules", "binaryen");
  const manifest = tryParseJson(await readFile(join(folder, "package.json"), "utf8").catch(() => ""));
  const version = isObject(manifest) ? manifest["version"] : undefined;
  const own = join(folder, PROGRAM);
  if (typeof version === "string" && (await isThere(own))) return { version, program: own, inProject: true };
  const program = join(home, "tools", `binaryen-${PINNED}`, PROGRAM);
  return { version: PINNED, program, inProject: false };
}

/**
 * Installs the pinned binaryen below `$WASME_HOME/tools` unless it is there: npm brings 100 MB, of which the optimizer
 * is kept (11 MB). It appears whole, by a rename. Throws what {@link installPackages} throws, and errors of the disk.
 */
export async function installBinaryen(deps: ToolchainDeps, { program }: Binaryen, events: EventSink): Promise<void> {
  if (await isThere(program)) return;
  const tools = join(deps.paths.home, "tools");
  const target = join(tools, `binaryen-${PINNED}`);
  events({
    type: "milestone",
    message: `Installing the optimizer binaryen ${PINNED} once, in ${target} (--no-optimize builds without it)`,
  });
  await mkdir(tools, { recursive: true });
  const draft = await mkdtemp(join(tools, ".tmp-binaryen-"));
  try {
    await cp(LOCK, draft, { recursive: true });
    await installPackages(deps, { folder: draft, lockFile: "package-lock.json" }, () => undefined);
    const [from, made] = [join(draft, "node_modules", "binaryen"), join(draft, "made")];
    for (const name of ["package.json", "LICENSE", join("bin", "package.json"), PROGRAM]) {
      await cp(join(from, name), join(made, name));
    }
    await chmod(made, 0o755);
    // Another process may have been faster; its folder is as good.
    await rename(made, target).catch(async (error: unknown) => {
      if (!(await isThere(program))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Whether the optimizer can be run as it is. */
export async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

const PROGRAM = join("bin", "wasm-opt");
