import { type GuestThread, type GuestWorkerOptions, startThread, WorkerGone } from "../isolate/guest-worker.ts";
import { SpareThread } from "../isolate/spare-thread.ts";
import { workerEntry } from "../isolate/worker-entry.ts";
import type { SmokeRequest, SmokeResult } from "./smoke-result.ts";
import type { SmokeRun } from "./smoke-streams.ts";

/** What the thread may take, and where it comes from. */
export interface SmokeLimits extends Pick<GuestWorkerOptions, "hardLimitMs" | "heapMegabytes" | "memoryMegabytes"> {
  /** Gives the thread, from {@link spareForSmoke}, with the heap that one has; absent: one is started. */
  readonly spare?: Pick<SpareThread, "take">;
}

/** Settings beside what is sent. */
export interface SmokeOptions extends SmokeLimits {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends two streams through a filter in a thread of its own (`runSmoke`). A filter that loops, traps or eats memory is
 * part of the result, never an error here. Rejects with the signal's reason.
 */
export async function smokeModule(request: SmokeRequest, options: SmokeOptions = {}): Promise<SmokeResult> {
  const { signal, spare, heapMegabytes, ...limits } = options;
  signal?.throwIfAborted();
  const started = performance.now();
  let callback: string | undefined;
  const thread = spare?.take() ?? startThread(birth(heapMegabytes));
  const worker = thread.use({
    onMessage: (name) => {
      callback = String(name);
    },
    ...limits,
  });
  const abort = (): void => void worker.stop();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const run = (await worker.ask(request)) as SmokeRun;
    return { ...run, durationMs: Math.round(performance.now() - started) };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof WorkerGone)) throw error;
    const { reason, message } = error.end;
    return {
      ...goneResult(callback, reason === "stuck" ? "stuck" : "crashed", message),
      durationMs: Math.round(performance.now() - started),
    };
  } finally {
    signal?.removeEventListener("abort", abort);
    await worker.stop();
  }
}

/** Keeps a thread for {@link smokeModule} ready; closed by who made it. */
export function spareForSmoke(heapMegabytes: number): SpareThread {
  return new SpareThread(birth(heapMegabytes));
}

function birth(heapMegabytes: number | undefined): GuestThread {
  const entry = workerEntry("./smoke-worker", import.meta.url);
  return { entry, data: undefined, ...(heapMegabytes === undefined ? {} : { heapMegabytes }) };
}

function goneResult(callback: string | undefined, outcome: "stuck" | "crashed", message: string): SmokeRun {
  const failure = { step: stepOf(callback), ...(callback === undefined ? {} : { callback }), message };
  const nothing = { streams: [], reports: [], lines: [], sectionCalls: [], startCalls: [], calls: [] };
  return { outcome, failure, ...nothing, memoryPages: 0 };
}

function stepOf(callback: string | undefined): NonNullable<SmokeResult["failure"]>["step"] {
  if (callback === undefined || !callback.startsWith("proxy_")) return "start";
  if (callback === "proxy_on_vm_start") return "vm-start";
  return callback === "proxy_on_configure" ? "configure" : "streams";
}
