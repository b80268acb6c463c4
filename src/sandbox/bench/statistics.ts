/** How a figure spreads over the rounds of a measurement. */
export interface Spread {
  readonly median: number;
  /** A tenth of the rounds were below, a tenth above. */
  readonly low: number;
  readonly high: number;
}

/** The spread of some figures; all zero for none. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.1), high: quantile(sorted, 0.9) };
}

/** The value below which that part of the sorted figures lies, between two of them in proportion. */
export function quantile(sorted: readonly number[], part: number): number {
  if (sorted.length === 0) return 0;
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}

/** The median of the differences `a - b`, round by round. */
export function pairedDifferences(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, round) => value - (b[round] ?? 0));
}

/** The quotients `a / b`, round by round; rounds in which `b` is not above 0 say nothing and are left out. */
export function pairedRatios(a: readonly number[], b: readonly number[]): number[] {
  return a.flatMap((value, round) => {
    const other = b[round] ?? 0;
    return other > 0 ? [value / other] : [];
  });
}

/**
 * Where the true median lies, 19 times of 20, whatever the distribution: two of the sorted values, by the binomial
 * distribution of how many of them are below it. Fewer than six values give the least and the greatest.
 */
export function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  let rank = 0;
  let below = 0.5 ** count;
  let term = below;
  while (below <= 0.025 && rank < count / 2) {
    rank += 1;
    term = (term * (count - rank + 1)) / rank;
    below += term;
  }
  const at = Math.max(rank - 1, 0);
  return [sorted[at] ?? 0, sorted[count - 1 - at] ?? 0];
}
