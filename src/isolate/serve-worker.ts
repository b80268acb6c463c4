import { parentPort, type Transferable, workerData } from "node:worker_threads";
import type { WorkerBirth, WorkerReply, WorkerRequest } from "./protocol.ts";

/** What a worker's entry gets. */
export interface WorkerScope {
  /** `GuestWorkerOptions.data`. */
  readonly data: unknown;
  /** For `HostEnvironment.heartbeat`; without it the watchdog sees nothing. */
  readonly heartbeat: Int32Array;
  /** Sends a message that nobody asked for. */
  readonly post: (message: unknown, transfer?: readonly Transferable[]) => void;
}

/**
 * Answers the messages of a `GuestWorker`, one after the other; called once, by the entry of the thread. What a handler
 * throws at a question goes to who asked; at a message nobody waits for it ends the thread.
 */
export function serveWorker(start: (scope: WorkerScope) => (message: unknown) => unknown): void {
  const port = parentPort;
  if (port === null) throw new Error("serveWorker is for worker threads");
  const { data, heartbeat } = workerData as WorkerBirth;
  const send = (reply: WorkerReply, transfer: readonly Transferable[] = []): void => port.postMessage(reply, transfer);
  const handle = start({
    data,
    heartbeat,
    post: (message, transfer) => send({ kind: "posted", message }, transfer),
  });
  const answer = async (id: number, message: unknown): Promise<void> => {
    try {
      send({ kind: "answer", id, value: await handle(message) });
    } catch (error) {
      send({ kind: "failure", id, error: error instanceof Error ? error : new Error(String(error)) });
    }
  };
  port.on("message", ({ id, message }: WorkerRequest) => {
    if (id !== undefined) return void answer(id, message);
    // Not awaited when it is done at once: messages nobody waits for are the fast path.
    const pending = handle(message);
    if (pending instanceof Promise) void pending;
  });
}
