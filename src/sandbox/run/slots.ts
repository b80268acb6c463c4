/**
 * Things by small numbers that are used again: cheaper than a map whose entries come and go, the old tables of which keep
 * what was in them from the garbage collector for long.
 */
export class Slots<T> {
  readonly #items: (T | undefined)[] = [];
  readonly #free: number[] = [];
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  get(index: number): T | undefined {
    return this.#items[index];
  }

  /** Puts it into a free place. */
  take(item: T): number {
    const index = this.#free.pop() ?? this.#items.length;
    this.put(index, item);
    return index;
  }

  /** Puts it where somebody else said; that place must be free. */
  put(index: number, item: T): void {
    this.#items[index] = item;
    this.#size += 1;
  }

  /** Empties a place that `take` gave: it may be given again. */
  free(index: number): void {
    if (this.clear(index)) this.#free.push(index);
  }

  /** Empties a place that somebody else gives again, with `put`; false when nothing was there. */
  clear(index: number): boolean {
    if (this.#items[index] === undefined) return false;
    this.#items[index] = undefined;
    this.#size -= 1;
    return true;
  }

  all(): T[] {
    return this.#items.filter((item) => item !== undefined);
  }

  /** Index and item of each. */
  entries(): [number, T][] {
    return this.#items.flatMap((item, index): [number, T][] => (item === undefined ? [] : [[index, item]]));
  }
}
