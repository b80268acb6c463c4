/**
 * Looks at a guest's heartbeat (`HostEnvironment.heartbeat`) and calls `stuck`, once, when one call has run for longer than
 * the limit: the counter is odd and has not moved. Returns the function that ends the watch. Keeps no process alive.
 */
export function watchHeartbeat(heartbeat: Int32Array, limitMs: number, stuck: () => void): () => void {
  let seen = 0;
  let since = performance.now();
  const timer = setInterval(
    () => {
      const beat = heartbeat[0] ?? 0;
      const now = performance.now();
      if (beat !== seen || beat % 2 === 0) {
        seen = beat;
        since = now;
      } else if (now - since > limitMs) {
        clearInterval(timer);
        stuck();
      }
    },
    Math.max(5, Math.min(50, limitMs / 10)),
  );
  timer.unref();
  return () => clearInterval(timer);
}
