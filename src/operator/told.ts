import type { EventSink } from "../domain/events.ts";
import { type Log, logEvents } from "../platform/json-log.ts";

/** What one reconcile tells. */
export interface Telling {
  readonly events: EventSink;
  /** It got to its end: a warning that it did not repeat holds no more. */
  over(): void;
}

/**
 * What reconciles tell the log: what was changed, and each warning once for as long as it holds. How far things are is in
 * the status, and looked at often.
 */
export class Told {
  /** By key. */
  readonly #warnings = new Map<string, ReadonlySet<string>>();

  /** A reconcile of a key begins. */
  begin(key: string, log: Log): Telling {
    const all = logEvents(log);
    const before = this.#warnings.get(key);
    const now = new Set<string>();
    return {
      events: (event) => {
        if (event.type === "milestone" && !CHANGED.test(event.message)) return log.debug(event.message);
        if (event.type !== "warning") return all(event);
        const isNew = !now.has(event.message) && before?.has(event.message) !== true;
        now.add(event.message);
        if (isNew) all(event);
      },
      over: () => {
        if (now.size === 0) this.#warnings.delete(key);
        else this.#warnings.set(key, now);
      },
    };
  }

  /** There is no such object any more. */
  forget(key: string): void {
    this.#warnings.delete(key);
  }
}

const CHANGED = / (?:created|changed|deleted)$/u;
