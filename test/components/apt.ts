import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { installOnce } from "./cache.mjs";
import { MissingComponent } from "./missing.ts";
import { findProgram, runOk } from "./run.ts";

/** apt's own waiting for another apt, in seconds, and no questions asked. */
const aptOptions = ["-o", "DPkg::Lock::Timeout=300", "--yes", "--quiet=2", "--no-install-recommends"];
const aptEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, DEBIAN_FRONTEND: "noninteractive" });

let queue: Promise<unknown> = Promise.resolve();
let updated: Promise<void> | undefined;

/**
 * Installs Debian packages system-wide, without recommended ones, one call at a time. Needs Debian (or a
 * descendant) and root; throws `MissingComponent` otherwise, with the command to type.
 */
export function aptInstall(packages: readonly string[]): Promise<void> {
  const task = queue.then(async () => {
    await requireApt(packages);
    if (process.getuid?.() !== 0) {
      throw new MissingComponent(packages.join(", "), `not root: run "apt-get install ${packages.join(" ")}"`);
    }
    await withFreshLists(packages, async () => {
      await runOk("apt-get", ["install", ...aptOptions, ...packages], { env: aptEnvironment(), timeoutMs: 600_000 });
    });
  });
  queue = task.catch(() => undefined);
  return task;
}

/**
 * The folder with the unpacked files of a Debian package. For servers: nothing is installed or started on the
 * machine, and no root is needed. The package's dependencies are not fetched.
 */
export function aptUnpack(name: string): Promise<string> {
  return installOnce(`debian-${name}`, async (draft) => {
    await requireApt([name]);
    await withFreshLists([name], async () => {
      // apt warns that its own user cannot write here and goes on as root; -o keeps that quiet.
      await runOk("apt-get", ["download", "--quiet=2", "-o", "APT::Sandbox::User=root", name], { cwd: draft });
    });
    const [archive] = (await readdir(draft)).filter((file) => file.endsWith(".deb"));
    if (archive === undefined) throw new MissingComponent(name, "apt-get download left no file");
    await runOk("dpkg-deb", ["--extract", join(draft, archive), draft]);
  });
}

/** A program in PATH, or else from a Debian package that is installed for it. */
export async function aptProgram(program: string, packages: readonly string[] = [program]): Promise<string> {
  const installed = await findProgram(program);
  if (installed !== undefined) return installed;
  await aptInstall(packages);
  const path = await findProgram(program);
  if (path === undefined) throw new MissingComponent(program, `not in PATH after installing ${packages.join(", ")}`);
  return path;
}

async function requireApt(packages: readonly string[]): Promise<void> {
  if ((await findProgram("apt-get")) !== undefined) return;
  throw new MissingComponent(packages.join(", "), "no apt-get here: install it by hand and put it in PATH");
}

/** Package lists may be absent (a slim image) or old: on a failure they are fetched, once per run, and it is tried again. */
async function withFreshLists(packages: readonly string[], action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch {
    updated ??= runOk("apt-get", ["update", "--quiet=2"], { env: aptEnvironment(), timeoutMs: 300_000 }).then(
      () => undefined,
    );
    try {
      await updated;
      await action();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new MissingComponent(packages.join(", "), reason, error);
    }
  }
}
