import type { Digest } from "../domain/digest.ts";

/** How a wait ended. */
export type WaitEnd = "arrived" | "late" | "refused";

/** A request that waits. */
export interface Wait {
  /** What it waits for: a module, or an entry of the list. */
  readonly what: Digest | string;
  /** Whose it is: those who have many stand back behind those who have few. */
  readonly from: string;
  /** Milliseconds. */
  readonly ms: number;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

/**
 * Requests for content that is not here yet. Their number is bounded. When all places are taken, one of whoever has most
 * goes to whoever comes and has fewer: a pod that asks for nonsense again and again must not take away a proxy's filter.
 */
export class HeldRequests {
  readonly #waiting = new Map<string, Set<() => void>>();
  /** What lets each go, by whose it is, the oldest first. */
  readonly #places = new Map<string, Set<() => void>>();
  readonly #most: number;
  #count = 0;
  #closed = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many are held now. */
  get count(): number {
    return this.#count;
  }

  /** Waits until content arrived, at most so long or until the client is gone. */
  async wait({ what, from, ms, signal }: Wait): Promise<WaitEnd> {
    if (this.#closed || signal.aborted || !this.#hasPlace(from)) return "refused";
    this.#count += 1;
    return await new Promise<WaitEnd>((resolve) => {
      const end = (how: WaitEnd): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
        take(this.#waiting, what, ring);
        if (take(this.#places, from, leave)) this.#count -= 1;
        resolve(how);
      };
      const ring = (): void => end(this.#closed ? "refused" : "arrived");
      const leave = (): void => end("refused");
      const timer = setTimeout(() => end("late"), ms);
      put(this.#waiting, what, ring);
      put(this.#places, from, leave);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Lets those go on who wait for this. */
  arrived(what: Digest | string): void {
    for (const ring of this.#waiting.get(what) ?? []) ring();
  }

  /** Nobody is held from now on, and who is goes on. */
  close(): void {
    this.#closed = true;
    for (const waiters of this.#waiting.values()) for (const ring of waiters) ring();
  }

  /** Makes one where that is fair. */
  #hasPlace(from: string): boolean {
    if (this.#count < this.#most) return true;
    const own = this.#places.get(from)?.size ?? 0;
    let most: ReadonlySet<() => void> = new Set();
    for (const places of this.#places.values()) if (places.size > most.size) most = places;
    if (most.size <= own + 1) return false;
    for (const leave of most) {
      leave();
      break;
    }
    return true;
  }
}

function put<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(value));
}

/** False when it was not there. */
function take<T>(sets: Map<string, Set<T>>, key: string, value: T): boolean {
  const set = sets.get(key);
  const found = set?.delete(value) === true;
  if (set?.size === 0) sets.delete(key);
  return found;
}
