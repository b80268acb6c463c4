import { setTimeout as sleep } from "node:timers/promises";

/** How long to wait (30 s), how often to look (25 ms), and what to say beside "timed out". */
export interface WaitOptions {
  readonly deadlineMs?: number;
  readonly everyMs?: number;
  readonly detail?: () => string;
}

/**
 * Calls `probe` until it returns something other than undefined, and returns that. A probe that throws ends
 * the wait: turn "not yet" into undefined. Throws `timed out after … waiting for <what>` at the deadline.
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  options: WaitOptions = {},
): Promise<T> {
  const { deadlineMs = 30_000, everyMs = 25, detail } = options;
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      throw new Error(`timed out after ${deadlineMs / 1000} s waiting for ${what}${detail ? `\n${detail()}` : ""}`);
    }
    await sleep(everyMs);
  }
}
