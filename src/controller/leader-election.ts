import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { messageOf, WasmeError } from "../domain/errors.ts";
import type { KubePort } from "../kube/port.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import { createLeaderLease, type LeaderLease } from "./leader-lease.ts";

/** Knobs of {@link runLeaderElection}; the times are those of controller-runtime. */
export interface LeaderElectionOptions {
  readonly port: Pick<KubePort, "get" | "create" | "patch">;
  readonly clock: SteadyClock;
  readonly log: Log;
  /** The Lease, in the program's own namespace. */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Of this process alone: {@link leaderIdentity}. */
  readonly identity: string;
  /** Milliseconds without renewal after which another may take over. 15,000. */
  readonly leaseMs?: number;
  /** Milliseconds without renewal after which we no longer lead; less than `leaseMs`. 10,000. */
  readonly renewDeadlineMs?: number;
  /** Milliseconds between tries; of those who wait at random up to 2.2 times as many. 2,000. */
  readonly retryMs?: number;
  /** For metrics: whether we lead. */
  readonly onStatus?: (leads: boolean) => void;
}

/** Given to who leads. */
export interface Leadership {
  /** Aborted at once when the leadership is lost: whatever writes has to end. */
  readonly lost: AbortSignal;
  /** Whether nobody else can have taken over yet, by the steady clock: to be asked right before something is written. */
  leads(): boolean;
}

/**
 * Waits until this process leads, then runs `lead` while it renews the lease; releases the lease when `lead` is over,
 * so that the next one starts at once. `stop` ends the waiting (gives `undefined`); `lead` has to heed it itself.
 *
 * Throws `LEADER_LOST` (failed) as soon as the lease could not be renewed in time or another took it, without waiting
 * for `lead`: the process has to end then, since another one works.
 */
export async function runLeaderElection<T>(
  options: LeaderElectionOptions,
  lead: (leadership: Leadership) => Promise<T>,
  stop: AbortSignal,
): Promise<T | undefined> {
  const { port, clock, lease: where, identity, leaseMs = 15_000, onStatus } = options;
  const lease = createLeaderLease({ port, clock }, { ...where, identity, leaseMs });
  const log = options.log.with({ lease: `${where.namespace}/${where.name}`, identity });
  const run = {
    ...options,
    lease,
    log,
    renewDeadlineMs: options.renewDeadlineMs ?? 10_000,
    retryMs: options.retryMs ?? 2000,
  };
  onStatus?.(false);
  const since = await acquire(run, stop);
  if (since === undefined) return undefined;
  log.info("leading");
  onStatus?.(true);
  const lost = new AbortController();
  const over = new AbortController();
  // Whoever works listens: more than ten are no leak.
  setMaxListeners(0, lost.signal);
  const renewed = { at: since };
  const leads = (): boolean => !lost.signal.aborted && clock.elapsed() - renewed.at < run.renewDeadlineMs;
  const renewing = renew(run, renewed, over.signal);
  const leading = lead({ lost: lost.signal, leads });
  const lose = renewing.then(
    () => leading,
    (error: unknown) => {
      lost.abort(error);
      throw error;
    },
  );
  try {
    const result = await Promise.race([leading, lose]);
    over.abort();
    await renewing;
    return result;
  } finally {
    over.abort();
    onStatus?.(false);
    // Who lost it must not give it away, and what `lead` says on its way out no longer counts.
    if (lost.signal.aborted) leading.catch(() => undefined);
    else await release(run);
  }
}

/** `HOST_UUID`: the host tells a reader where, the rest keeps a restarted process from taking itself for the old one. */
export function leaderIdentity(host: string): string {
  return `${host}_${randomUUID()}`;
}

interface Run {
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly lease: LeaderLease;
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/** When the try began that got the lease, by the steady clock; `undefined` when stopped first. */
async function acquire(run: Run, stop: AbortSignal): Promise<number | undefined> {
  const { clock, log, lease, retryMs } = run;
  let said = "";
  const say = (text: string, fields: Record<string, unknown> = {}): void => {
    if (text !== said) log.info(text, fields);
    said = text;
  };
  while (!stop.aborted) {
    const since = clock.elapsed();
    try {
      if (await inTime(run, run.renewDeadlineMs, (signal) => lease.tryHold(signal), stop)) return since;
      say(`waiting: ${lease.holder() ?? "somebody else"} leads`);
    } catch (error) {
      if (stop.aborted) return undefined;
      say(`cannot get the lease, trying again: ${messageOf(error)}`, { error });
    }
    await clock.sleep(retryMs * (1 + Math.random() * 1.2), stop).catch(() => undefined);
  }
  return undefined;
}

/** Renews until told that all is over; throws `LEADER_LOST`. */
async function renew(run: Run, renewed: { at: number }, over: AbortSignal): Promise<void> {
  const { clock, log, lease, retryMs, renewDeadlineMs } = run;
  const leftAt = (now: number): number => Math.max(0, renewed.at + renewDeadlineMs - now);
  let trouble: unknown;
  for (;;) {
    await clock.sleep(Math.min(retryMs, leftAt(clock.elapsed())), over).catch(() => undefined);
    if (over.aborted) return;
    const since = clock.elapsed();
    if (leftAt(since) <= 0) throw leaderLost(`not renewed for ${renewDeadlineMs / 1000} s`, trouble);
    // One hung connection must not use up the time there is.
    const patience = Math.min(leftAt(since), renewDeadlineMs / 2);
    try {
      if (!(await inTime(run, patience, (signal) => lease.tryHold(signal), over))) {
        throw leaderLost(`${lease.holder() ?? "somebody else"} took it`, undefined);
      }
      renewed.at = since;
    } catch (error) {
      if (over.aborted) return;
      if (error instanceof WasmeError && error.code === "LEADER_LOST") throw error;
      trouble = error;
      log.warn("cannot renew the lease, trying again", { error });
    }
  }
}

/** Never fails: who cannot release it lets it run out. */
async function release(run: Run): Promise<void> {
  const never = new AbortController().signal;
  try {
    await inTime(run, RELEASE_MS, (signal) => run.lease.release(signal), never);
  } catch (error) {
    run.log.warn("cannot release the lease", { error });
  }
}

const RELEASE_MS = 5000;

/** Gives up after `ms`, or with the outer signal, whatever the request does. */
async function inTime<T>(
  { clock }: Run,
  ms: number,
  call: (signal: AbortSignal) => Promise<T>,
  outer: AbortSignal,
): Promise<T> {
  outer.throwIfAborted();
  const end = new AbortController();
  // Not `AbortSignal.any`: what hangs on a signal that lives as long as the program is kept by some releases of Node.
  const pass = (): void => end.abort(outer.reason);
  outer.addEventListener("abort", pass, { once: true });
  const late = clock.sleep(ms, end.signal).then(() => {
    throw new WasmeError("unreachable", "LEASE_TIMEOUT", `the API server did not answer within ${ms / 1000} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([call(end.signal), late]);
  } finally {
    outer.removeEventListener("abort", pass);
    end.abort();
  }
}

function leaderLost(why: string, cause: unknown): WasmeError {
  return new WasmeError("failed", "LEADER_LOST", `this process no longer leads: the lease was ${why}`, {
    hint: "another replica goes on; this one has to be started anew",
    ...(cause === undefined ? {} : { cause }),
  });
}
