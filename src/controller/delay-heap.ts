/** Keys by the time they are due; the earliest is found and taken in O(log n). One key may be in it several times. */
export interface DelayHeap {
  push(at: number, key: string): void;
  /** The earliest time, `undefined` when empty. */
  next(): number | undefined;
  /** Takes one of the earliest. */
  pop(): { readonly at: number; readonly key: string } | undefined;
}

/** A binary heap. */
export function createDelayHeap(): DelayHeap {
  const heap: { readonly at: number; readonly key: string }[] = [];
  const timeAt = (index: number): number => heap[index]?.at ?? Number.POSITIVE_INFINITY;
  const swap = (one: number, other: number): void => {
    const [a, b] = [heap[one], heap[other]];
    if (a === undefined || b === undefined) return;
    heap[one] = b;
    heap[other] = a;
  };
  const sink = (): void => {
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      const child = timeAt(left + 1) < timeAt(left) ? left + 1 : left;
      if (timeAt(child) >= timeAt(index)) return;
      swap(index, child);
      index = child;
    }
  };
  return {
    push: (at, key) => {
      heap.push({ at, key });
      for (let index = heap.length - 1; index > 0;) {
        const parent = (index - 1) >> 1;
        if (timeAt(parent) <= timeAt(index)) return;
        swap(parent, index);
        index = parent;
      }
    },
    next: () => heap[0]?.at,
    pop: () => {
      swap(0, heap.length - 1);
      const first = heap.pop();
      sink();
      return first;
    },
  };
}
