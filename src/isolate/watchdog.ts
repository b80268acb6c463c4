/**
 * Looks at a guest's heartbeat (`HostEnvironment.heartbeat`) and calls `stuck`, once, when one call has run for longer than
 * the limit: the counter is odd and has not moved. Returns the function that ends the watch. Keeps no process alive.
 *
 * Time in which this thread could not look (busy, or the machine asleep) counts for a few steps only: a guest is judged by
 * what was seen of it.
 */
export function watchHeartbeat(heartbeat: Int32Array, limitMs: number, stuck: () => void): () => void {
  const step = Math.max(5, Math.min(50, limitMs / 10));
  let seen = 0;
  let runningMs = 0;
  let looked = performance.now();
  const timer = setInterval(() => {
    const beat = heartbeat[0] ?? 0;
    const now = performance.now();
    const passed = Math.min(now - looked, step * MOST_STEPS);
    looked = now;
    if (beat !== seen || beat % 2 === 0) {
      seen = beat;
      runningMs = 0;
      return;
    }
    runningMs += passed;
    if (runningMs <= limitMs) return;
    clearInterval(timer);
    stuck();
  }, step);
  timer.unref();
  return () => clearInterval(timer);
}

const MOST_STEPS = 4;
