import { setMaxListeners } from "node:events";

/** A running command's abort signal, and which signal asked for it. */
export interface SignalWatch {
  readonly signal: AbortSignal;
  /** `SIGINT` or `SIGTERM` once one arrived. */
  readonly received: () => NodeJS.Signals | undefined;
  /** Stops listening; after a signal no more, so that one that comes while the process ends gives its exit code too. */
  dispose(): void;
}

/** Exit codes by shell convention: 128 + signal number. */
export const SIGNAL_EXIT: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * Turns the first SIGINT or SIGTERM into an abort, so that work can clean up behind itself, and lets the second end
 * the process at once.
 */
export function watchSignals(onFirst: (name: NodeJS.Signals) => void): SignalWatch {
  const controller = new AbortController();
  // Every request under way listens; Node would take more than ten for a leak and say so on stderr.
  setMaxListeners(0, controller.signal);
  let received: NodeJS.Signals | undefined;
  const handler = (name: NodeJS.Signals): void => {
    if (received !== undefined) process.exit(SIGNAL_EXIT[name] ?? 130);
    received = name;
    onFirst(name);
    controller.abort(new DOMException(`received ${name}`, "AbortError"));
  };
  process.on("SIGINT", handler);
  process.on("SIGTERM", handler);
  return {
    signal: controller.signal,
    received: () => received,
    dispose: () => {
      if (received !== undefined) return;
      process.off("SIGINT", handler);
      process.off("SIGTERM", handler);
    },
  };
}
