import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Where test programs are kept between runs, outside the repository. */
export function cacheRoot() {
  const base = process.env["WASME_TEST_CACHE"] ?? process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(base, "wasme-test");
}

/** One promise per folder, so that callers in one process share the work. */
const running = new Map();

/** The folder `name` of the cache, filled by `install` once per machine. */
export function installOnce(name, install) {
  const target = join(cacheRoot(), name);
  let task = running.get(target);
  if (task === undefined) {
    task = fill(target, install).catch((error) => {
      running.delete(target);
      throw error;
    });
    running.set(target, task);
  }
  return task;
}

async function fill(target, install) {
  if (await exists(target)) return target;
  await mkdir(cacheRoot(), { recursive: true });
  const unlock = await lock(`${target}.lock`);
  try {
    if (await exists(target)) return target;
    const draft = `${target}.${process.pid}.tmp`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft);
    try {
      await install(draft);
      await rename(draft, target);
    } catch (error) {
      if (!(await exists(target))) throw error; // another run was quicker after all
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  } finally {
    await unlock();
  }
  return target;
}

/** Waits for another run that is filling the same folder; a lock whose owner is gone is taken over. */
async function lock(path) {
  const deadline = Date.now() + 30 * 60_000;
  for (;;) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!(await ownerLives(path))) await rm(path, { force: true });
    else if (Date.now() > deadline) throw new Error(`gave up waiting for ${path}`);
    else await sleep(250);
  }
}

async function ownerLives(path) {
  const text = await readFile(path, "utf8").catch(() => "");
  // An empty file is an owner between "created" and "written": it lives, unless that was long ago.
  if (text === "") return Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs < 5_000;
  try {
    process.kill(Number(text), 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

async function exists(path) {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
