/** One column: heading, and how far it may be cut when the terminal is narrow (`undefined`: never). */
export interface Column {
  readonly title: string;
  readonly minWidth?: number;
}

/**
 * A table without rules, columns two spaces apart. When it is wider than `width`, columns with a `minWidth` are cut
 * in the middle, the widest first, so that both ends of a name stay readable; elsewhere nothing is ever cut.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string {
  const widths = columns.map((column, i) => Math.max(column.title.length, ...rows.map((row) => (row[i] ?? "").length)));
  shrink(columns, widths, width);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => ellipsis(cell, widths[i] ?? 0).padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [columns.map((column) => column.title), ...rows].map(line).join("\n");
}

function shrink(columns: readonly Column[], widths: number[], width: number): void {
  const total = (): number => widths.reduce((sum, w) => sum + w, 0) + 2 * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const current = widths[i] ?? 0;
      if (column.minWidth !== undefined && current > column.minWidth && current > (widths[widest] ?? 0)) widest = i;
    }
    if (widest === -1) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function ellipsis(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.ceil((width - 1) / 2);
  const tail = width - 1 - head;
  return `${text.slice(0, head)}…${tail === 0 ? "" : text.slice(-tail)}`;
}
