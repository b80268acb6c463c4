/** So many requests are under way at once: more gain nothing on one API server. */
const IN_FLIGHT = 16;

/**
 * Runs `work` on all items, a bounded number at a time, and gives the results in the items' order. After a failure no
 * further item is begun; those under way end first, then the failure of the first item in order is thrown.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const { results, failure } = await settleInParallel(items, work);
  if (failure !== undefined) throw failure.error;
  return results.filter((result) => result !== undefined).map(({ value }) => value);
}

/** What became of items: those begun have a result, unless it is the failure's. */
export interface Settled<R> {
  readonly results: readonly ({ readonly value: R } | undefined)[];
  readonly failure?: { readonly error: unknown; readonly index: number };
}

/** The same, but a failure is a value, beside the results of the others. */
export async function settleInParallel<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<Settled<R>> {
  const results: ({ readonly value: R } | undefined)[] = items.map(() => undefined);
  const failures: { readonly error: unknown; readonly index: number }[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (failures.length > 0) return;
      try {
        results[index] = { value: await work(item, index) };
      } catch (error) {
        failures.push({ error, index });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, items.length) }, worker));
  const [failure] = failures.toSorted((a, b) => a.index - b.index);
  return failure === undefined ? { results } : { results, failure };
}
