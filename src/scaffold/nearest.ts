/**
 * The word most like `asked`: one that begins with it, or one at most a third of its letters away (insertions,
 * deletions, substitutions and swaps of neighbours). `undefined` when nothing is close.
 */
export function nearest(asked: string, words: readonly string[]): string | undefined {
  const beginning = words.find((word) => asked !== "" && word.startsWith(asked));
  if (beginning !== undefined) return beginning;
  const [best] = words.map((word) => ({ word, far: distance(asked, word) })).toSorted((a, b) => a.far - b.far);
  return best !== undefined && best.far <= Math.max(1, Math.floor(asked.length / 3)) ? best.word : undefined;
}

/** Edits between two words (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same, swap));
    }
  }
  return at(a.length, b.length);
}
