import type { SteadyClock } from "../platform/clock.ts";

interface Entry {
  readonly about: string;
  readonly task: Promise<unknown>;
  /** When the answer came, by the steady clock; absent: it is not there yet. */
  overAt: number | undefined;
  /** Whether somebody left without the answer. */
  isAwaited: boolean;
}

/**
 * Work on behalf of keys that may take longer than a worker should wait: a registry that does not answer, a module on
 * trial. Who asked gets the answer when it is there soon, and otherwise comes back when told that it is there.
 */
export class Later {
  readonly #clock: SteadyClock;
  readonly #patienceMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #ending = new AbortController();
  /** Told of the key whose answer has come after its asker left. */
  onAnswer: (key: string) => void = () => undefined;

  constructor(clock: SteadyClock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  /**
   * The answer, or `undefined` while there is none: then the key is told of once there is, and the same question gets it.
   * `about` names the question, and with it the sort of answer; another one of the same key begins anew, as does one whose
   * answer nobody came for in minutes. Throws what `ask` throws.
   */
  async get<T>(key: string, about: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const known = this.#entries.get(key);
    const entry = known?.about === about && !this.#isOld(known) ? known : this.#begin(key, about, ask);
    if (entry.overAt === undefined && !entry.isAwaited) await this.#soon(entry);
    if (entry.overAt === undefined) {
      entry.isAwaited = true;
      return undefined;
    }
    this.#entries.delete(key);
    return (await entry.task) as T;
  }

  /** Nobody will ask for the key's answer any more. */
  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** Ends what is under way. */
  close(): void {
    this.#ending.abort();
    this.#entries.clear();
  }

  #begin(key: string, about: string, ask: (signal: AbortSignal) => Promise<unknown>): Entry {
    const entry: Entry = { about, task: ask(this.#ending.signal), overAt: undefined, isAwaited: false };
    this.#entries.set(key, entry);
    const over = (): void => {
      entry.overAt = this.#clock.elapsed();
      if (entry.isAwaited && this.#entries.get(key) === entry) this.onAnswer(key);
    };
    entry.task.then(over, over);
    return entry;
  }

  #isOld({ overAt }: Entry): boolean {
    return overAt !== undefined && this.#clock.elapsed() - overAt > FRESH_MS;
  }

  async #soon({ task }: Entry): Promise<void> {
    const patience = new AbortController();
    const answered = task.then(
      () => undefined,
      () => undefined,
    );
    const bell = this.#clock.sleep(this.#patienceMs, patience.signal).catch(() => undefined);
    await Promise.race([answered, bell]);
    patience.abort();
  }
}

/** Milliseconds for which an answer counts: its asker may have had other things in its way when it was told. */
const FRESH_MS = 300_000;
