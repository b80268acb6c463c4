import { createHash } from "node:crypto";
import type { JudgeClock } from "./clock.ts";
import { httpGet, HttpFailure, type Resolve } from "./http-get.ts";
import { isModule, unbox } from "./unbox.ts";

/** What fetching has to know of its world. */
export interface FetchDeps {
  readonly clock: JudgeClock;
  /** From 0 to below 1, for the jitter of the pauses. */
  readonly random: () => number;
  readonly resolve: Resolve;
  /** Aborted when the proxy that fetches is gone: nobody is there to be refused. */
  readonly gone: AbortSignal;
  /** Told of every request and how it ended. */
  readonly onAttempt?: (what: string) => void;
}

/** What is to be fetched. */
export interface ModuleRequest {
  readonly url: string;
  /** Hex digits of the module's digest; undefined takes any module. */
  readonly sha256: string | undefined;
  /** Milliseconds for everything. */
  readonly timeoutMs: number;
}

/** How a fetch ended. */
export type FetchOutcome =
  | { readonly ok: true; readonly sha256: string; readonly attempts: number }
  | { readonly ok: false; readonly reason: string; readonly attempts: number };

/** The agent's defaults, as measured: five tries of 15 s each, pauses from half a second on, half as long again each time. */
const TRY_MS = 15_000;
const TRIES = 5;
const FIRST_PAUSE_MS = 500;
const PAUSE_GROWS = 1.5;
const JITTER = 0.5;

/**
 * Downloads a module over plain http by the rules of Istio's agent. Tried again: no answer, and every 5xx but 501, 505
 * and 511. Final: every other status but 200, a body that is cut, a wrong checksum, no module. Pauses are slept out even
 * when the time is over; the next try ends at once then.
 */
export async function fetchModule(deps: FetchDeps, request: ModuleRequest): Promise<FetchOutcome> {
  const got = await download(deps, request);
  if ("reason" in got) return { ok: false, ...got };
  const bytes = unbox(got.body);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { attempts } = got;
  if (request.sha256 !== undefined && sha256 !== request.sha256) {
    return { ok: false, reason: `has checksum ${sha256}, which does not match`, attempts };
  }
  if (!isModule(bytes)) return { ok: false, reason: "what came is no module", attempts };
  return { ok: true, sha256, attempts };
}

type Download =
  | { readonly body: Buffer; readonly attempts: number }
  | { readonly reason: string; readonly attempts: number };

async function download(deps: FetchDeps, { url, timeoutMs }: ModuleRequest): Promise<Download> {
  const { clock, gone } = deps;
  const whole = new AbortController();
  const stop = clock.after(timeoutMs, () => whole.abort());
  let reason = "";
  try {
    for (let attempts = 1; attempts <= TRIES; attempts += 1) {
      if (gone.aborted) return { reason: "the proxy is gone", attempts };
      const tried = await attempt(deps, url, whole.signal);
      deps.onAttempt?.(tried.title);
      if ("body" in tried) return { body: tried.body, attempts };
      reason = `${tried.title} after ${attempts} ${attempts === 1 ? "try" : "tries"}`;
      if (tried.final || whole.signal.aborted) return { reason, attempts };
      await clock.sleep(pause(attempts, deps.random()));
    }
    return { reason, attempts: TRIES };
  } finally {
    stop();
  }
}

/** Between half and one and a half of what is due. */
function pause(tries: number, random: number): number {
  return FIRST_PAUSE_MS * PAUSE_GROWS ** (tries - 1) * (1 - JITTER + 2 * JITTER * random);
}

type Tried = { readonly title: string; readonly body: Buffer } | { readonly title: string; readonly final: boolean };

async function attempt(deps: FetchDeps, url: string, whole: AbortSignal): Promise<Tried> {
  const { clock, resolve, gone } = deps;
  const slow = new AbortController();
  const stop = clock.after(TRY_MS, () => slow.abort());
  try {
    const { status, body } = await httpGet(url, { resolve, signal: AbortSignal.any([whole, slow.signal, gone]) });
    if (status === 200) return { title: "200", body };
    return { title: `status ${status}`, final: !isTriedAgain(status) };
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    return { title: error.message, final: error.status !== undefined && !isTriedAgain(error.status) };
  } finally {
    stop();
  }
}

function isTriedAgain(status: number): boolean {
  return status >= 500 && !FINAL_5XX.has(status);
}

const FINAL_5XX: ReadonlySet<number> = new Set([501, 505, 511]);
