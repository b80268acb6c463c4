import type { EventSink } from "../domain/events.ts";

/** Long work that tells how far it is. */
export interface ProgressTask {
  /** `done` of `total` bytes; a total that is not known tells nothing. */
  readonly tell: (done: number, total: number | undefined) => void;
  readonly end: (ok: boolean, message?: string) => void;
}

/** Starts it; it speaks again every few seconds. */
export function progressTask(events: EventSink, id: string, title: string): ProgressTask {
  let last = performance.now();
  events({ type: "task.start", id, message: title });
  return {
    tell: (done, total) => {
      const now = performance.now();
      if (total === undefined || total === 0 || now - last < PAUSE) return;
      last = now;
      events({ type: "task.start", id, message: `${title}: ${Math.floor((done / total) * 100)}%` });
    },
    end: (ok, message) => events({ type: "task.end", id, ok, ...(message === undefined ? {} : { message }) }),
  };
}

/** Milliseconds. In a log every word is a line of its own. */
const PAUSE = 3000;
