/** The lines a terminal shows in the end, after carriage returns, cursor movements and erasures were obeyed. */
export function screenOf(raw: string): readonly string[] {
  const screen: Screen = { lines: [""], row: 0, column: 0 };
  // oxlint-disable-next-line no-control-regex -- terminal output is made of control characters
  for (const [token, parameter = "", final] of raw.matchAll(/\u001b\[([0-9;?]*)([A-Za-z])|\u001b.|[^\u001b]/gsu)) {
    if (final !== undefined) CONTROLS[final]?.(screen, Number.parseInt(parameter, 10) || 1, parameter);
    else if (!token.startsWith("\u001b")) write(screen, token);
    while (screen.lines.length <= screen.row) screen.lines.push("");
  }
  return screen.lines.map((line) => line.trimEnd());
}

interface Screen {
  readonly lines: string[];
  row: number;
  column: number;
}

type Control = (screen: Screen, count: number, parameter: string) => void;

/** The control sequences programs of today use, by their last letter. */
const CONTROLS: Readonly<Record<string, Control>> = {
  A: (screen, count) => (screen.row = Math.max(0, screen.row - count)),
  B: (screen, count) => (screen.row += count),
  C: (screen, count) => (screen.column += count),
  D: (screen, count) => (screen.column = Math.max(0, screen.column - count)),
  G: (screen, count) => (screen.column = count - 1),
  J: (screen) => screen.lines.splice(screen.row, screen.lines.length, left(screen)),
  K: (screen, _count, parameter) => (screen.lines[screen.row] = parameter === "2" ? "" : left(screen)),
};

function left({ lines, row, column }: Screen): string {
  return (lines[row] ?? "").slice(0, column);
}

function write(screen: Screen, character: string): void {
  if (character === "\r") {
    screen.column = 0;
  } else if (character === "\n") {
    screen.row += 1;
  } else {
    const line = (screen.lines[screen.row] ?? "").padEnd(screen.column);
    screen.lines[screen.row] = line.slice(0, screen.column) + character + line.slice(screen.column + 1);
    screen.column += 1;
  }
}
