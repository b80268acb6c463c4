import { randomBytes } from "node:crypto";
import { constants, copyFile, link, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { TEMPORARY_PREFIX, writeError } from "./atomic-file.ts";
import { type Clock, systemClock } from "./clock.ts";

/** How long and with what to wait for a lock. */
export interface LockOptions {
  /** Milliseconds until waiting is given up; default 30 s. */
  readonly waitMs?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Given to the action: throws `LOCK_LOST` when somebody removed the lock meanwhile. Call it before the commit. */
export type StillHeld = () => Promise<void>;

/**
 * Runs `action` while this process holds the lock file `path`; its directory must exist. The file names its holder
 * (process, host, boot, start time). A lock whose holder is certainly gone is taken over; one that cannot be judged
 * (another host, another container) never is. Throws `LOCKED` (failed) naming the holder after `waitMs`, and
 * `DISK_FULL`, `READ_ONLY` or `NO_PERMISSION` as other writes do.
 */
export async function withFileLock<T>(
  path: string,
  action: (stillHeld: StillHeld) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const inode = await acquire(path, options);
  try {
    return await action(async () => {
      if ((await inodeOf(path)) === inode) return;
      throw new WasmeError("failed", "LOCK_LOST", `the lock ${path} was removed while it was held`, {
        hint: "run the command again",
      });
    });
  } finally {
    if ((await inodeOf(path)) === inode) await rm(path, { force: true });
  }
}

/** Who holds a lock; written into it. `boot` and `started` tell a process from a later one of the same number. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly boot: string;
  readonly namespace: string;
  readonly started: string;
}

async function acquire(path: string, options: LockOptions): Promise<bigint> {
  const clock = options.clock ?? systemClock;
  const waitMs = options.waitMs ?? DEFAULT_WAIT;
  const self = await describeSelf();
  const begin = clock.now();
  for (let attempt = 0; ; attempt += 1) {
    options.signal?.throwIfAborted();
    const inode = await tryCreate(path, self);
    if (inode !== undefined) return inode;
    if (await removeIfStale(path, self)) continue;
    if (clock.now() - begin >= waitMs) throw await lockedError(path, waitMs);
    const longest = Math.min(MAX_PAUSE, MIN_PAUSE * 2 ** Math.min(attempt, 6));
    await clock.sleep(MIN_PAUSE + Math.random() * longest, options.signal);
  }
}

/**
 * The inode of the lock when it could be made; `undefined` when it is there already. The file is written aside and
 * linked into its place, so that a lock always names its holder, wherever its maker was killed.
 */
async function tryCreate(path: string, self: Holder): Promise<bigint | undefined> {
  if ((await inodeOf(path)) !== undefined) return undefined;
  const draft = join(dirname(path), `${TEMPORARY_PREFIX}${randomBytes(8).toString("hex")}`);
  try {
    await writeFile(draft, JSON.stringify(self), { flag: "wx", mode: 0o644 });
    await linkOrCopy(draft, path);
    return await inodeOf(path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return undefined;
    throw writeError(error, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Not every file system has links; there the lock is empty for a moment, which `isStale` allows for. */
async function linkOrCopy(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if (!NO_LINKS.has(errnoOf(error) ?? "")) throw error;
    await copyFile(draft, path, constants.COPYFILE_EXCL);
  }
}

const NO_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]);

/**
 * Takes a dead process's lock away. Two that do so at once must not remove each other's new lock, so it is done, and
 * judged once more, under a second lock; that one only lives for moments and is stale by age.
 */
async function removeIfStale(path: string, self: Holder): Promise<boolean> {
  if (!(await isStale(path, self))) return false;
  const guard = `${path}.takeover`;
  const inode = await tryCreate(guard, self);
  if (inode === undefined) {
    if ((await ageOf(guard)) > TAKEOVER_STALE) await rm(guard, { force: true });
    return false;
  }
  try {
    if (!(await isStale(path, self))) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    if ((await inodeOf(guard)) === inode) await rm(guard, { force: true });
  }
}

/** True when the holder is certainly gone, or when the file was left unfinished. */
async function isStale(path: string, self: Holder): Promise<boolean> {
  const holder = await readHolder(path);
  if (holder === undefined) return (await ageOf(path)) > UNFINISHED_STALE;
  if (holder.host !== self.host) return false;
  if (holder.boot !== self.boot) return true;
  if (holder.namespace !== self.namespace) return false;
  const started = await startOf(holder.pid);
  return started === undefined || (started !== "" && holder.started !== "" && started !== holder.started);
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const value = tryParseJson(text);
  if (!isObject(value)) return undefined;
  const { pid, host, boot, namespace, started } = value;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 0 || typeof host !== "string") return undefined;
  return { pid, host, boot: String(boot), namespace: String(namespace), started: String(started) };
}

async function describeSelf(): Promise<Holder> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  const started = (await startOf(process.pid)) ?? "";
  return { pid: process.pid, host: hostname(), boot: boot.trim(), namespace, started };
}

/** When the process began, as the kernel counts; `""` where that cannot be told, `undefined` when it is gone. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return undefined;
  }
  // Field 22 of stat(5); the second one, the program's name in parentheses, may itself hold blanks.
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  // A zombie holds nothing any more: it only waits for its parent.
  return fields[0] === "Z" || fields[0] === "X" ? undefined : (fields[19] ?? "");
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.ino;
}

/** Milliseconds since the file was changed, by the machine's clock; 0 when it is gone. */
async function ageOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? 0 : Date.now() - found.mtimeMs;
}

async function lockedError(path: string, waitMs: number): Promise<Error> {
  const holder = await readHolder(path);
  const who = holder === undefined ? "an unknown process" : `process ${holder.pid} on ${holder.host}`;
  return new WasmeError("failed", "LOCKED", `${path} has been held by ${who} for ${Math.round(waitMs / 1000)} s`, {
    hint: "wait until it is done; if that process is gone, delete the file",
  });
}

const DEFAULT_WAIT = 30_000;
const MIN_PAUSE = 2;
const MAX_PAUSE = 60;
/** A lock without readable content is one that a file system without links left unfinished. Milliseconds. */
const UNFINISHED_STALE = 5000;
const TAKEOVER_STALE = 10_000;
