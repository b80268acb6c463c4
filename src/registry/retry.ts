import { WasmeError } from "../domain/errors.ts";
import type { Clock } from "../platform/clock.ts";

/** A failure that may pass. Never leaves the room: {@link withRetry} throws its `failure` when patience ends. */
export class TransientError extends Error {
  override readonly name: string = "TransientError";
  /** What the user is told when it does not pass. */
  readonly failure: WasmeError;
  /** What the server asked us to wait. */
  readonly retryAfterMs: number | undefined;
  /** Time lost waiting in vain for a silent server: it counts against the budget. */
  readonly lostMs: number;

  constructor(failure: WasmeError, options: { retryAfterMs?: number | undefined; lostMs?: number } = {}) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.retryAfterMs = options.retryAfterMs;
    this.lostMs = options.lostMs ?? 0;
  }
}

/** How patient we are. */
export interface RetryOptions {
  readonly clock: Clock;
  /** Most that all waits for one request may take together. Milliseconds. */
  readonly budgetMs: number;
  readonly signal?: AbortSignal | undefined;
}

const TRIES = 5;
const FIRST_WAIT_MS = 250;

/** Counts the tries and waits of one request. */
export class RetryBudget {
  /** Failures so far, since the last progress. */
  failures = 0;
  readonly #options: RetryOptions;
  readonly #spent: { ms: number };

  constructor(options: RetryOptions, spent: { ms: number } = { ms: 0 }) {
    this.#options = options;
    this.#spent = spent;
  }

  /** A budget for something done on the way, with tries of its own and the time of this one. */
  part(signal: AbortSignal | undefined): RetryBudget {
    return new RetryBudget({ ...this.#options, signal }, this.#spent);
  }

  /** What is left of the budget. Milliseconds. */
  get leftMs(): number {
    return Math.max(0, this.#options.budgetMs - this.#spent.ms);
  }

  /** Something was achieved: tries are counted anew; time is not given back. */
  progress(): void {
    this.failures = 0;
  }

  /**
   * Waits before the next try: 250 ms doubled each time, with jitter, or longer if the server asks for it. Throws the
   * failure when there were five tries or the wait does not fit into the budget; a longer wait the server asked for
   * becomes `REGISTRY_BUSY`.
   */
  async pause(error: TransientError): Promise<void> {
    const { clock, budgetMs, signal } = this.#options;
    this.failures += 1;
    this.#spent.ms += error.lostMs;
    const backoff = FIRST_WAIT_MS * 2 ** (this.failures - 1) * (0.9 + Math.random() * 0.2);
    const wait = Math.max(backoff, error.retryAfterMs ?? 0);
    if (error.retryAfterMs !== undefined && error.retryAfterMs > this.leftMs) throw tooLong(error, budgetMs);
    if (this.failures >= TRIES || wait > this.leftMs) throw error.failure;
    this.#spent.ms += wait;
    await clock.sleep(wait, signal);
  }
}

/** Runs `attempt` until it succeeds, fails for good, or the budget is used up. */
export async function withRetry<T>(budget: RetryBudget, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      await budget.pause(error);
    }
  }
}

/** Reads `retry-after`: seconds or an HTTP date (RFC 9110 section 10.2.3). `undefined` when it is neither. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/u.test(text)) return Number(text) * 1000;
  const date = /[a-z]/iu.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function tooLong(error: TransientError, budgetMs: number): WasmeError {
  const { failure, retryAfterMs = 0 } = error;
  const asked = Math.ceil(retryAfterMs / 1000);
  const message = `${failure.message}; it asks to wait ${asked} s, the retry budget is ${Math.round(budgetMs / 1000)} s`;
  return new WasmeError("unreachable", "REGISTRY_BUSY", message, {
    hint: `try again in ${asked} s, or pass a --retry-budget that allows it`,
    details: { ...failure.details, retryAfterSeconds: asked },
    cause: failure,
  });
}
