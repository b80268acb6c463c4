import { fileURLToPath } from "node:url";
import { type Transferable, Worker } from "node:worker_threads";
import { errnoOf } from "../domain/errors.ts";
import { startTimer } from "../platform/timer.ts";
import { defaultMemoryMegabytes, watchMemory } from "./memory-watch.ts";
import type { WorkerBirth, WorkerReply, WorkerRequest } from "./protocol.ts";
import { watchHeartbeat } from "./watchdog.ts";

/** What a thread is born with. */
export interface GuestThread {
  /** From `workerEntry`. */
  readonly entry: URL;
  /** Handed to the worker as it is (structured clone; a compiled module may be in it). */
  readonly data: unknown;
  /** Mebibytes of JavaScript heap the worker may use; guest memory is not part of it. Default 512. */
  readonly heapMegabytes?: number;
}

/** What a thread may take once it is used, and who hears of it. */
export interface GuestUse {
  /** Milliseconds one call into the guest may take before the worker is ended; default 1000. */
  readonly hardLimitMs?: number;
  /** Milliseconds a question may take, however many calls into the guest that are; default 60 000. */
  readonly answerLimitMs?: number;
  /** Mebibytes the process may grow by in all; default 2048, or half of a small machine's memory. */
  readonly memoryMegabytes?: number;
  /** Messages the worker posts by itself. */
  readonly onMessage?: (message: unknown) => void;
}

/** How a worker is started. */
export interface GuestWorkerOptions extends GuestThread, GuestUse {}

/** Why a worker is gone. */
export interface WorkerEnd {
  /**
   * `stuck`: one call took longer than the hard limit. `endless`: all calls together took longer than an answer may.
   * `crashed`: out of memory, or an error nobody caught.
   */
  readonly reason: "stopped" | "stuck" | "endless" | "crashed";
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

/** A thread that was started ahead: it loads its code and waits. */
export interface ReadyThread {
  /** Puts it to use, which is done once: what it may take counts from here on. */
  use(options: GuestUse): GuestWorker;
  /** Ends it unused. */
  stop(): Promise<void>;
  /** It is gone, for whatever reason. Never rejects. */
  readonly exited: Promise<void>;
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
 * Loads the joined file of the entry, or the entry with `require` where Node can: its hundred modules take a quarter less time
 * than with `import`. A thread has to ask for Node's cache of compiled code itself.
 */
const BOOT = `
require("node:module").enableCompileCache?.();
const { entry, loader } = require("node:worker_threads").workerData;
if (require(loader).load(entry) !== undefined);
else if (process.features.require_module) require(entry);
else import(require("node:url").pathToFileURL(entry));
`;

const LOADER = fileURLToPath(new URL("../../bin/joined.cjs", import.meta.url));

/** That Node 20 calls this `require` an experiment is no news; the entry's path has no links in it any more. */
const QUICK = ["--disable-warning=ExperimentalWarning", "--preserve-symlinks"];

/** Milliseconds one call into a guest may take when nothing else is said. */
export const HARD_LIMIT_MS = 1000;

const ANSWER_LIMIT_MS = 60_000;

const HEAP_MEGABYTES = 512;

/** Milliseconds a thread may take to end before it is taken for gone. */
const LATE_MS = 2000;

/**
 * Starts a thread for guests and watches it: a guest that does not return within the hard limit ends its thread, never
 * this one. The entry calls `serveWorker`. A worker that ended is not started again; whoever needs another starts one.
 */
export function startGuestWorker(options: GuestWorkerOptions): GuestWorker {
  return startThread(options).use(options);
}

/** Starts a thread ahead of its use; nothing is watched until then. Otherwise as {@link startGuestWorker}. */
export function startThread({ entry, data, heapMegabytes = HEAP_MEGABYTES }: GuestThread): ReadyThread {
  const heartbeat = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(BOOT, {
    eval: true,
    workerData: { data, heartbeat, entry: fileURLToPath(entry), loader: LOADER } satisfies WorkerBirth,
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    execArgv: QUICK,
  });
  const thread: Thread = { worker, heartbeat, heapMegabytes, end: undefined };
  worker.on("error", (error) => {
    thread.end ??= crash(error, heapMegabytes);
  });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  return {
    use: (options) => useThread(thread, exited, options),
    stop: async () => void (await worker.terminate()),
    exited,
  };
}

interface Thread {
  readonly worker: Worker;
  readonly heartbeat: Int32Array;
  readonly heapMegabytes: number;
  /** Why it ends, once that is known. */
  end: WorkerEnd | undefined;
}

function useThread(thread: Thread, exited: Promise<void>, options: GuestUse): GuestWorker {
  const { answerLimitMs = ANSWER_LIMIT_MS } = options;
  const { worker } = thread;
  const waiting = new Map<number, Waiting>();
  const giveUp = (end: WorkerEnd): void => {
    thread.end ??= end;
    void worker.terminate();
    // The engine ends a guest between two instructions, but not amid one that is long, such as filling a gibibyte.
    setTimeout(over, LATE_MS).unref();
  };
  const unwatch = watch(thread, options, giveUp);
  worker.on("message", (reply: WorkerReply) => {
    if (reply.kind === "posted") return options.onMessage?.(reply.message);
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.kind === "answer") asked?.resolve(reply.value);
    else asked?.reject(reply.error);
  });
  worker.on("messageerror", (error) => giveUp(crash(error, thread.heapMegabytes)));
  let tellEnd: (end: WorkerEnd) => void = () => undefined;
  const ended = new Promise<WorkerEnd>((resolve) => (tellEnd = resolve));
  const over = (): void => {
    unwatch();
    thread.end ??= { reason: "crashed", message: "the thread of the filter ended by itself" };
    for (const { reject } of waiting.values()) reject(new WorkerGone(thread.end));
    waiting.clear();
    tellEnd(thread.end);
  };
  void exited.then(over);
  let last = 0;
  const send = (request: WorkerRequest, transfer: readonly Transferable[]): void => {
    worker.postMessage(request, transfer);
  };
  return {
    post: (message, transfer = []) => send({ id: undefined, message }, transfer),
    ask: async (message, transfer = []) => {
      if (thread.end !== undefined) throw new WorkerGone(thread.end);
      last += 1;
      const id = last;
      const answer = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }));
      const timer = startTimer(answerLimitMs, () => giveUp(endless(answerLimitMs)));
      try {
        send({ id, message }, transfer);
        return await answer;
      } finally {
        timer.stop();
      }
    },
    stop: async () => {
      giveUp({ reason: "stopped", message: "the filter was stopped" });
      await ended;
    },
    ended,
  };
}

/** Watches the time of each call, and the memory. Returns the function that ends the watch. */
function watch({ heartbeat }: Thread, options: GuestUse, giveUp: (end: WorkerEnd) => void): () => void {
  const { hardLimitMs = HARD_LIMIT_MS, memoryMegabytes = defaultMemoryMegabytes() } = options;
  const unwatchHeartbeat = watchHeartbeat(heartbeat, hardLimitMs, () =>
    giveUp({ reason: "stuck", message: `the filter did not return within ${hardLimitMs} ms` }),
  );
  const unwatchMemory = watchMemory(memoryMegabytes, () =>
    giveUp({
      reason: "crashed",
      message: `the filter, and what it had its host keep, needed more than ${memoryMegabytes} MiB of memory`,
    }),
  );
  return () => {
    unwatchHeartbeat();
    unwatchMemory();
  };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

function endless(limitMs: number): WorkerEnd {
  const message =
    `there was no end after ${limitMs / 1000} s: the filter keeps its host busy (timers, queues or callouts without end), ` +
    "or what is done with it takes too long (a regular expression, a wait)";
  return { reason: "endless", message };
}

function crash(error: Error, heapMegabytes: number): WorkerEnd {
  const message =
    errnoOf(error) === "ERR_WORKER_OUT_OF_MEMORY"
      ? `the thread of the filter needed more than ${heapMegabytes} MiB of heap`
      : `the thread of the filter ended: ${error.message}`;
  return { reason: "crashed", message };
}
