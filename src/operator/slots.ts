/** How a slot is taken. */
export interface TakeOptions {
  /** All slots at once. */
  readonly alone?: boolean;
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly weight: number;
  readonly go: () => void;
}

/** So many things at once; who comes later waits, in order. */
export class Slots {
  readonly #most: number;
  readonly #waiting: Waiting[] = [];
  #free: number;

  constructor(most: number) {
    this.#most = most;
    this.#free = most;
  }

  /** Resolves to the function that gives back what was taken, to be called once. Rejects with the signal's reason. */
  async take({ alone = false, signal }: TakeOptions = {}): Promise<() => void> {
    signal?.throwIfAborted();
    const weight = alone ? this.#most : 1;
    await new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason as Error);
        this.#serve();
      };
      const go = (): void => {
        signal?.removeEventListener("abort", giveUp);
        resolve();
      };
      const waiting = { weight, go };
      this.#waiting.push(waiting);
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#serve();
    });
    return () => {
      this.#free += weight;
      this.#serve();
    };
  }

  /** Nothing is taken and nobody waits. */
  get isIdle(): boolean {
    return this.#free === this.#most && this.#waiting.length === 0;
  }

  #serve(): void {
    for (let [first] = this.#waiting; first !== undefined && first.weight <= this.#free; [first] = this.#waiting) {
      this.#waiting.shift();
      this.#free -= first.weight;
      first.go();
    }
  }
}
