/** Unchanged lines shown around a change. */
const CONTEXT = 3;

type Line = { readonly mark: " " | "-" | "+"; readonly text: string };

/**
 * A unified diff of two texts (as `diff -u` prints it), empty when they are equal. Time and memory grow with the
 * product of the changed parts' lengths: meant for manifests, not for data.
 */
export function unifiedDiff(
  before: string,
  after: string,
  names: { readonly before: string; readonly after: string },
): string {
  if (before === after) return "";
  const lines = compare(toLines(before), toLines(after));
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks(lines)].join("\n");
}

function toLines(text: string): readonly string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

/** Equal starts and ends are cut off first: what is left is small. */
function compare(a: readonly string[], b: readonly string[]): readonly Line[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const same = (text: string): Line => ({ mark: " ", text });
  return [
    ...a.slice(0, start).map((text) => same(text)),
    ...longestCommon(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map((text) => same(text)),
  ];
}

/** Lines by the longest common subsequence, walked from the front. */
function longestCommon(a: readonly string[], b: readonly string[]): readonly Line[] {
  const length = commonLengths(a, b);
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ mark: " ", text: left });
      i += 1;
      j += 1;
    } else if (left !== undefined && (right === undefined || length(i + 1, j) >= length(i, j + 1))) {
      lines.push({ mark: "-", text: left });
      i += 1;
    } else {
      lines.push({ mark: "+", text: right ?? "" });
      j += 1;
    }
  }
  return lines;
}

/** The length of the longest common subsequence of the rests from `i` and `j`. */
function commonLengths(a: readonly string[], b: readonly string[]): (i: number, j: number) => number {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  const length = (i: number, j: number): number => table[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const best = a[i] === b[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
      table[i * width + j] = best;
    }
  }
  return length;
}

function hunks(lines: readonly Line[]): readonly string[] {
  const output: string[] = [];
  let old = 1;
  let fresh = 1;
  let index = 0;
  while (index < lines.length) {
    const end = hunkEnd(lines, index);
    const part = lines.slice(index, end);
    const olds = part.filter(({ mark }) => mark !== "+").length;
    const news = part.filter(({ mark }) => mark !== "-").length;
    if (part.some(({ mark }) => mark !== " ")) {
      output.push(`@@ -${range(old, olds)} +${range(fresh, news)} @@`, ...part.map(({ mark, text }) => mark + text));
    }
    old += olds;
    fresh += news;
    index = end;
  }
  return output;
}

/** Where the run that starts at `from` ends: either lines to skip, or changes with their context. */
function hunkEnd(lines: readonly Line[], from: number): number {
  const near = (index: number): boolean =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(({ mark }) => mark !== " ");
  const inside = near(from);
  let end = from + 1;
  while (end < lines.length && near(end) === inside) end += 1;
  return end;
}

function range(start: number, count: number): string {
  return count === 0 ? `${start - 1},0` : `${start},${count}`;
}
