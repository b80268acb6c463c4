import { hasLabels } from "./select-workloads.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * Finds, of many sets of labels that something selects by, those that given labels have whole, without trying each: every
 * set is filed under that label of its own which the fewest others ask for. Time is that of the matches, not of all sets.
 */
export function indexSelectors<T>(
  items: readonly T[],
  labelsOf: (item: T) => Labels,
): (labels: Labels) => readonly T[] {
  const asked = new Map<string, number>();
  const pairs = items.map((item) => Object.entries(labelsOf(item)).map(([key, value]) => pairText(key, value)));
  for (const pair of pairs.flat()) asked.set(pair, (asked.get(pair) ?? 0) + 1);
  const filed = new Map<string, T[]>();
  for (const [i, item] of items.entries()) {
    const [rarest = ""] = (pairs[i] ?? []).toSorted((a, b) => (asked.get(a) ?? 0) - (asked.get(b) ?? 0));
    const same = filed.get(rarest);
    if (same === undefined) filed.set(rarest, [item]);
    else same.push(item);
  }
  return (labels) =>
    ["", ...Object.entries(labels).map(([key, value]) => pairText(key, value))].flatMap((pair) =>
      (filed.get(pair) ?? []).filter((item) => hasLabels(labels, labelsOf(item))),
    );
}

/** No key of a label has this sign, and no pair is empty. */
function pairText(key: string, value: string): string {
  return `${key}=${value}`;
}
