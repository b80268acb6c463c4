import { SharedTask } from "./shared-task.ts";
import type { Token } from "./token-client.ts";

interface Entry {
  readonly task: SharedTask<Token>;
  /** Once it is there. */
  token: Token | undefined;
  /** Requests it was used for. */
  uses: number;
}

/** The tokens for one registry. For each key one is asked for at a time, however many requests wait for it. */
export class TokenCache {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  /** `now` in milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The token of a key that is still good, or what `ask` gets. One caller's abort does not fail the others. */
  async get(
    key: string,
    ask: (signal: AbortSignal) => Promise<Token>,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    signal?.throwIfAborted();
    const entry = this.#usable(key) ?? this.#start(key, ask);
    entry.uses += 1;
    return (await entry.task.join(signal)).value;
  }

  /**
   * The registry refused `value`: it is forgotten. True when it makes sense to ask for another: this one had worked for
   * others, or somebody got another one meanwhile.
   */
  refuse(key: string, value: string): boolean {
    const entry = this.#entries.get(key);
    if (entry?.token?.value !== value) return true;
    this.#entries.delete(key);
    return entry.uses > 1;
  }

  #usable(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.task.isAbandoned) return undefined;
    return entry.token === undefined || entry.token.expires > this.#now() ? entry : undefined;
  }

  #start(key: string, ask: (signal: AbortSignal) => Promise<Token>): Entry {
    const task = new SharedTask(ask);
    const entry: Entry = { task, token: undefined, uses: 0 };
    this.#entries.set(key, entry);
    task.result.then(
      (token) => {
        entry.token = token;
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry;
  }
}
