import type { IncomingMessage } from "node:http";
import { HttpTimeout } from "./http-watchdog.ts";

/** How a body is read. */
export interface BodyReading {
  /** The same bytes by another way than the answer's own stream. */
  readonly direct: AsyncIterable<Uint8Array> | undefined;
  /** Longest silence while the reader waits; a slow reader does not count. Milliseconds. */
  readonly idleMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called once when reading is over, however it ended. */
  readonly done: () => void;
}

/** The bytes of an answer as they come. Leaving the loop early closes the connection. */
export async function* readHttpBody(incoming: IncomingMessage, reading: BodyReading): AsyncGenerator<Uint8Array> {
  let waiting = true;
  const timer = setTimeout(() => {
    if (waiting) incoming.destroy(new HttpTimeout("body", reading.idleMs));
  }, reading.idleMs);
  try {
    for await (const chunk of reading.direct ?? incoming) {
      waiting = false;
      yield chunk as Uint8Array;
      waiting = true;
      timer.refresh();
    }
  } catch (error) {
    reading.signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    reading.done();
  }
}
