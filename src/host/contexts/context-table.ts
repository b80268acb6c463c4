import type { KernelContext } from "../host-calls/kernel-scope.ts";

/**
 * The contexts of a VM by id. Ids only go up, streams come and go by the million, and lookups are rare: a table of chains by
 * the low bits of the id, which costs a third of what a `Map` does with keys that never come again.
 */
export class ContextTable {
  #chains: (Link | undefined)[] = emptyChains(16);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): KernelContext | undefined {
    let link = this.#chains[id & (this.#chains.length - 1)];
    while (link !== undefined && link.context.id !== id) link = link.next;
    return link?.context;
  }

  add(context: KernelContext): void {
    if (this.#size === this.#chains.length) this.#grow();
    const at = context.id & (this.#chains.length - 1);
    this.#chains[at] = { context, next: this.#chains[at] };
    this.#size += 1;
  }

  remove(context: KernelContext): void {
    const at = context.id & (this.#chains.length - 1);
    let link = this.#chains[at];
    if (link?.context === context) {
      this.#chains[at] = link.next;
      this.#size -= 1;
      return;
    }
    while (link?.next !== undefined && link.next.context !== context) link = link.next;
    if (link?.next === undefined) return;
    link.next = link.next.next;
    this.#size -= 1;
  }

  #grow(): void {
    const chains = this.#chains;
    this.#chains = emptyChains(chains.length * 2);
    this.#size = 0;
    for (const chain of chains) for (let link = chain; link !== undefined; link = link.next) this.add(link.context);
  }
}

interface Link {
  readonly context: KernelContext;
  next: Link | undefined;
}

function emptyChains(length: number): (Link | undefined)[] {
  return Array.from({ length }, () => undefined);
}
