/**
 * Looks at a guest's heartbeat (`HostEnvironment.heartbeat`) and calls `stuck`, once, when one call has run for longer than
 * the limit: the counter is odd and has not moved. Returns the function that ends the watch. Keeps no process alive.
 *
 * Only time this process was given counts: on a busy machine a guest may wait long for a processor, and is not stuck. One
 * that takes none (it waits for memory it shares, say) is, after ten times the limit. Time in which this
 * thread could not look (busy, or the machine asleep) counts for a few steps only: a guest is judged by what was seen of it.
 */
export function watchHeartbeat(heartbeat: Int32Array, limitMs: number, stuck: () => void): () => void {
  const step = Math.max(5, Math.min(50, limitMs / 10));
  let seen = 0;
  let waitedMs = 0;
  let workedMs = 0;
  let looked = performance.now();
  let used = processorMs();
  const timer = setInterval(() => {
    const beat = heartbeat[0] ?? 0;
    const now = performance.now();
    const nowUsed = processorMs();
    const passed = Math.min(now - looked, step * MOST_STEPS);
    const worked = Math.min(passed, nowUsed - used);
    looked = now;
    used = nowUsed;
    if (beat !== seen || beat % 2 === 0) {
      seen = beat;
      waitedMs = 0;
      workedMs = 0;
      return;
    }
    waitedMs += passed;
    workedMs += worked;
    if (workedMs <= limitMs && waitedMs <= limitMs * MOST_WAITING) return;
    clearInterval(timer);
    stuck();
  }, step);
  timer.unref();
  return () => clearInterval(timer);
}

/** Limits a guest may wait for without working. */
const MOST_WAITING = 10;

const MOST_STEPS = 4;

/** Processor time of all threads of this process: that of a guest's thread is never more. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
