import { setMaxListeners } from "node:events";
import { messageOf, WasmeError } from "../domain/errors.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import type { RateLimitOptions } from "./rate-limits.ts";
import { type AddOptions, createQueue, type QueueObserver } from "./work-queue.ts";

/** What a reconcile that went well asks for; nothing: the key rests until somebody enqueues it. */
export interface ReconcileResult {
  /** Milliseconds until the key is to be looked at again; what happens earlier comes first. */
  readonly requeueAfterMs?: number;
  /** It goes on when somebody enqueues the key: how it goes is not known yet, and pauses after failures go on to grow. */
  readonly isOpen?: boolean;
  /** What a person has to correct, if anything: logged once for each reason, until it is over. */
  readonly trouble?: Trouble | undefined;
}

/** Why a key goes no further although nothing failed. */
export interface Trouble {
  /** Upper camel case, stable. */
  readonly reason: string;
  readonly message: string;
}

/** How a reconcile ended, for metrics (controller-runtime's words). */
export type ReconcileOutcome = "success" | "error" | "requeue_after";

/** Told of every reconcile, for metrics. */
export interface ReconcileObserver {
  readonly started?: () => void;
  /** `workedMs` in milliseconds; `bug`: what was thrown was no error of ours. */
  readonly ended?: (outcome: ReconcileOutcome, workedMs: number, bug: boolean) => void;
}

/** Told what a controller and its queue do. */
export interface ControllerObserver {
  readonly queue: QueueObserver;
  readonly reconcile: ReconcileObserver;
}

/** What a controller is. */
export interface ControllerOptions extends RateLimitOptions {
  /** For logs and metrics: lower case. */
  readonly name: string;
  readonly clock: SteadyClock;
  readonly log: Log;
  /**
   * Brings about what the key's object wants, whatever it was enqueued for. A throw is tried again with growing
   * pauses. The signal ends it when the program's time to stop is over, or the leadership is lost.
   */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>;
  /** Keys in work at once; 1 when absent. */
  readonly workers?: number;
  /** Milliseconds that work under way gets to finish after the stop; 30,000 when absent. */
  readonly graceMs?: number;
  /** `metrics.observe(name)`. */
  readonly observe?: ControllerObserver;
}

/** How a controller is ended. */
export interface RunSignals {
  /** Stop gracefully: nothing new, finish what is under way. */
  readonly stop: AbortSignal;
  /** Stop at once: what is under way is aborted as well. */
  readonly abort?: AbortSignal;
}

/** A queue and its workers. */
export interface Controller {
  readonly name: string;
  /** Wants the key to be reconciled; any time, also before `run`. */
  enqueue(key: string, options?: AddOptions): void;
  /** Keys that wait, and keys in work. */
  readonly load: { readonly waiting: number; readonly active: number };
  /** Works until stopped; `false` when work under way did not end in its time. Once. */
  run(signals: RunSignals): Promise<boolean>;
}

/** Makes a controller: N workers over a queue of its own. */
export function createController(options: ControllerOptions): Controller {
  const { name, clock, workers = 1, graceMs = 30_000, observe } = options;
  const queue = createQueue({ ...options, ...(observe === undefined ? {} : { observer: observe.queue }) });
  const troubles = new Map<string, string>();
  const log = options.log.with({ controller: name });

  /** Logs what is new about a key. */
  const note = (key: string, what: string, say: () => void): void => {
    if (troubles.get(key) !== what) say();
    troubles.set(key, what);
  };

  const settle = (key: string, priority: number, error: unknown): void => {
    const fields = { key, error };
    note(key, messageOf(error), () => {
      if (error instanceof WasmeError) log.warn(`cannot bring ${key} about, trying again`, fields);
      else log.error(`a bug: reconciling ${key} broke, trying again`, fields);
    });
    queue.addRateLimited(key, { priority });
  };

  const rest = (key: string, trouble: Trouble | undefined): void => {
    if (trouble !== undefined) {
      const { reason, message: why } = trouble;
      note(key, reason, () => log.warn(`cannot bring ${key} about`, { key, reason, why }));
    } else if (troubles.delete(key)) log.info(`${key} is well again`, { key });
    queue.forget(key);
  };

  const handle = async (key: string, priority: number, signal: AbortSignal): Promise<void> => {
    const since = clock.elapsed();
    observe?.reconcile.started?.();
    let outcome: ReconcileOutcome = "success";
    let bug = false;
    try {
      const result = (await options.reconcile(key, signal)) ?? {};
      if (result.isOpen !== true) rest(key, result.trouble);
      if (result.requeueAfterMs !== undefined) {
        outcome = "requeue_after";
        queue.add(key, { priority, afterMs: result.requeueAfterMs });
      }
    } catch (error) {
      if (!signal.aborted) {
        outcome = "error";
        bug = !(error instanceof WasmeError);
        settle(key, priority, error);
      }
    } finally {
      observe?.reconcile.ended?.(outcome, clock.elapsed() - since, bug);
      queue.done(key);
    }
  };

  const work = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      const taken = await queue.take();
      if (taken === undefined) return;
      await handle(taken.key, taken.priority, signal);
    }
  };

  return {
    name,
    enqueue: (key, add) => queue.add(key, add),
    get load() {
      return { waiting: queue.size, active: queue.active };
    },
    run: ({ stop, abort }) => runWorkers({ stop, abort, clock, graceMs, queue, workers, work }),
  };
}

interface Running {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal | undefined;
  readonly clock: SteadyClock;
  readonly graceMs: number;
  readonly queue: { close(): void };
  readonly workers: number;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

async function runWorkers({ stop, abort, clock, graceMs, queue, workers, work }: Running): Promise<boolean> {
  const hard = new AbortController();
  // Every request under way listens; Node would take more than ten for a leak and say so in the middle of the log.
  setMaxListeners(0, hard.signal);
  const over = new AbortController();
  const close = (): void => queue.close();
  const kill = (): void => {
    queue.close();
    hard.abort(abort?.reason ?? stop.reason);
  };
  const bell = new Promise<"late">((resolve) => {
    const ring = (): void => {
      close();
      clock.sleep(graceMs, over.signal).then(
        () => resolve("late"),
        () => undefined, // everybody was done in time
      );
    };
    if (stop.aborted) ring();
    else stop.addEventListener("abort", ring, { once: true });
    hard.signal.addEventListener("abort", () => resolve("late"), { once: true });
  });
  if (abort?.aborted === true) kill();
  else abort?.addEventListener("abort", kill, { once: true });
  const working = Promise.all(Array.from({ length: workers }, () => work(hard.signal)));
  const ended = await Promise.race([working.then(() => "done" as const), bell]);
  over.abort();
  abort?.removeEventListener("abort", kill);
  if (ended === "late") kill();
  return ended === "done";
}
