import { totalmem } from "node:os";

/** Milliseconds between two looks; a thread can take some hundred mebibytes in that time. */
const STEP_MS = 50;

const MEBIBYTE = 1024 * 1024;

/**
 * Calls `exceeded`, once, when this process has grown by more than so many mebibytes. It is for what no heap limit counts:
 * a guest's memory, bodies, shared data. Returns the function that ends the watch. Keeps no process alive.
 */
export function watchMemory(limitMegabytes: number, exceeded: () => void): () => void {
  const before = residentBytes();
  const timer = setInterval(() => {
    if (residentBytes() - before <= limitMegabytes * MEBIBYTE) return;
    clearInterval(timer);
    exceeded();
  }, STEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** What the process holds; where there is no `/proc` to read it from, as in a bare chroot, the most it ever held. */
function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

/** What a thread of guests may take when nothing else is said: a guest of 1 GiB, and as much beside it; half of a small machine. */
export function defaultMemoryMegabytes(): number {
  const allowed = process.constrainedMemory();
  const all = allowed > 0 && allowed < totalmem() ? allowed : totalmem();
  return Math.min(LARGEST, Math.floor(all / 2 / MEBIBYTE));
}

const LARGEST = 2048;
