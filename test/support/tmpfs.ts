import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { onTestFinished, type TestContext } from "vitest";
import { inCi } from "../components/missing.ts";
import { tempDir } from "./temp-dir.ts";

/** A mounted file system of the test's own. */
export interface Tmpfs {
  readonly dir: string;
  /** Makes it read-only, or writable again. */
  readonly remount: (mode: "ro" | "rw") => void;
}

/**
 * Mounts a tmpfs of `size` (`1m`). Mounting needs root: without it the test is skipped, in CI it fails. As root a
 * read-only mode of a folder would test nothing, a read-only or full file system does.
 */
export function mountTmpfs(context: TestContext, size: string): Tmpfs {
  const dir = tempDir("wasme-tmpfs-");
  try {
    execFileSync(MOUNT, ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir], { stdio: "pipe" });
  } catch (error) {
    if (inCi()) throw error;
    context.skip("a tmpfs cannot be mounted here (needs root)");
  }
  onTestFinished(() => void execFileSync(UMOUNT, [dir]));
  return { dir, remount: (mode) => void execFileSync(MOUNT, ["-o", `remount,${mode}`, dir]) };
}

/** Leaves no free block: writes ever smaller pieces until none fits. */
export function fillDisk(dir: string): void {
  for (let size = 1 << 19, at = 0; size >= 1; size >>= 1) {
    for (;;) {
      at += 1;
      try {
        writeFileSync(join(dir, `fill${at}`), randomBytes(size));
      } catch {
        break;
      }
    }
  }
}

/** Of the system, not of a package. */
const [MOUNT, UMOUNT] = ["mount", "umount"] as const;
