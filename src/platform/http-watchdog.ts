/** What was being waited for when the time ran out. */
export type HttpPhase = "connect" | "send" | "answer" | "body";

/** A server that said nothing for too long. */
export class HttpTimeout extends Error {
  override readonly name: string = "HttpTimeout";
  readonly code: string = "ETIMEDOUT";
  readonly phase: HttpPhase;
  /** How long it was waited for. */
  readonly afterMs: number;

  constructor(phase: HttpPhase, afterMs: number) {
    super(`no progress for ${afterMs} ms (${phase})`);
    this.phase = phase;
    this.afterMs = afterMs;
  }
}

/** One timer that is set anew whenever something happens. */
export interface Watchdog {
  /** Starts over: `phase` must make progress within `ms`. */
  expect(phase: HttpPhase, ms: number): void;
  stop(): void;
}

/** Calls `bite` once when what is expected did not happen in time. */
export function startWatchdog(bite: (timeout: HttpTimeout) => void): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  let current: { phase: HttpPhase; ms: number } | undefined;
  let stopped = false;
  return {
    expect: (phase, ms) => {
      if (stopped) return;
      if (timer !== undefined && current?.phase === phase && current.ms === ms) {
        timer.refresh();
        return;
      }
      clearTimeout(timer);
      current = { phase, ms };
      timer = setTimeout(() => bite(new HttpTimeout(phase, ms)), ms);
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
