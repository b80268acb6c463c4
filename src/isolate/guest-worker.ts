import { type Transferable, Worker } from "node:worker_threads";
import type { WorkerReply, WorkerRequest } from "./protocol.ts";
import { watchHeartbeat } from "./watchdog.ts";

/** How a worker is started. */
export interface GuestWorkerOptions {
  /** From `workerEntry`. */
  readonly entry: URL;
  /** Handed to the worker as it is (structured clone; a compiled module may be in it). */
  readonly data: unknown;
  /** Milliseconds one call into the guest may take before the worker is ended; default 1000. */
  readonly hardLimitMs?: number;
  /** Bytes of JavaScript heap the worker may use, in MiB; guest memory is not part of it. Default 512. */
  readonly heapMegabytes?: number;
  /** Messages the worker posts by itself. */
  readonly onMessage?: (message: unknown) => void;
}

/** Why a worker is gone. */
export interface WorkerEnd {
  /** `stuck`: one call took longer than the hard limit. `crashed`: out of memory, or an error nobody caught. */
  readonly reason: "stopped" | "stuck" | "crashed";
  readonly message: string;
}

/** A thread that runs guests. */
export interface GuestWorker {
  /** Sends a message and does not wait. */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Sends a request and waits for its answer. Rejects with what the worker threw, or {@link WorkerGone}. */
  ask(message: unknown, transfer?: readonly Transferable[]): Promise<unknown>;
  stop(): Promise<void>;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
}

/** The worker ended before it answered. */
export class WorkerGone extends Error {
  override readonly name: string = "WorkerGone";
  readonly end: WorkerEnd;

  constructor(end: WorkerEnd) {
    super(end.message);
    this.end = end;
  }
}

/**
 * Starts a thread for guests and watches it: a guest that does not return within the hard limit ends its thread, never
 * this one. The entry calls `serveWorker`.
 */
export function startGuestWorker(options: GuestWorkerOptions): GuestWorker {
  const heartbeat = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(options.entry, {
    workerData: { data: options.data, heartbeat },
    resourceLimits: { maxOldGenerationSizeMb: options.heapMegabytes ?? 512 },
    execArgv: [],
  });
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  let reason: WorkerEnd | undefined;
  const stuck = (): void => {
    reason ??= { reason: "stuck", message: `the filter did not return within ${options.hardLimitMs ?? 1000} ms` };
    void worker.terminate();
  };
  const unwatch = watchHeartbeat(heartbeat, options.hardLimitMs ?? 1000, stuck);
  worker.on("message", (reply: WorkerReply) => {
    if (reply.kind === "posted") return options.onMessage?.(reply.message);
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.kind === "answer") asked?.resolve(reply.value);
    else asked?.reject(reply.error);
  });
  worker.on("error", (error) => {
    reason ??= { reason: "crashed", message: `the thread of the filter ended: ${error.message}` };
  });
  const ended = new Promise<WorkerEnd>((resolve) => {
    worker.on("exit", () => {
      unwatch();
      const end: WorkerEnd = reason ?? { reason: "crashed", message: "the thread of the filter ended by itself" };
      for (const { reject } of waiting.values()) reject(new WorkerGone(end));
      waiting.clear();
      reason = end;
      resolve(end);
    });
  });
  const send = (request: WorkerRequest, transfer: readonly Transferable[]): void => {
    worker.postMessage(request, transfer);
  };
  return {
    post: (message, transfer = []) => send({ id: undefined, message }, transfer),
    ask: async (message, transfer = []) => {
      if (reason !== undefined) throw new WorkerGone(reason);
      last += 1;
      const id = last;
      const answer = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }));
      send({ id, message }, transfer);
      return await answer;
    },
    stop: async () => {
      reason ??= { reason: "stopped", message: "the filter was stopped" };
      await worker.terminate();
    },
    ended,
  };
}
