import { mkdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cacheRoot } from "./cache.mjs";
import { installing, MissingComponent } from "./missing.ts";
import { findProgram, run, runOk } from "./run.ts";

/** What the tests build Rust for. */
export type RustTarget = "wasm32-wasip1" | "wasm32-unknown-unknown";

/** A crate with a lock file; its one `cdylib` is called `filter`. */
export interface RustBuild {
  readonly folder: string;
  readonly target: RustTarget;
}

let queue: Promise<unknown> = Promise.resolve();

/**
 * Builds the crate in release mode from what its lock file names, one at a time, and returns the module. Compiled
 * dependencies stay in the cache. Throws `MissingComponent` without a Rust that knows the target.
 */
export function rustBuild({ folder, target }: RustBuild): Promise<Uint8Array> {
  const task = queue.then(async () => {
    const cargo = await rustCargo(target);
    const output = join(cacheRoot(), "rust-target", basename(folder));
    await mkdir(output, { recursive: true });
    const args = ["build", "--release", "--locked", "--quiet", "--target", target, "--target-dir", output];
    await runOk(cargo, args, { cwd: folder, timeoutMs: 600_000 });
    return new Uint8Array(await readFile(join(output, target, "release", "filter.wasm")));
  });
  queue = task.catch(() => undefined);
  return task;
}

/** The `cargo` in PATH, with the standard library of the target; rustup is asked for it when it is not there. */
export async function rustCargo(target: RustTarget): Promise<string> {
  const cargo = await findProgram("cargo");
  if (cargo === undefined) throw new MissingComponent("rust", "no cargo in PATH: see https://rustup.rs");
  const look = await run("rustc", ["--print", "target-libdir", "--target", target]).catch(() => undefined);
  if (look?.code === 0 && (await run("ls", [look.stdout.trim()])).code === 0) return cargo;
  await installing("rust", async () => {
    await runOk("rustup", ["target", "add", target], { timeoutMs: 300_000 });
  });
  return cargo;
}
