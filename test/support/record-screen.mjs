/** What a terminal shows over time: enough of one for wasme, npm and the shell. */

/** Steps of a terminal's life are not finer than this, in seconds. */
const STEP = 0.1;

/**
 * A terminal that never forgets: rows go on below the screen, and every content a row ever had is kept with the time it
 * appeared and the time it was replaced.
 */
export class Screen {
  #columns;
  #rows = [[]];
  #shown = [];
  #row = 0;
  #column = 0;
  #style = "";
  /** `{ row, cells, from, to }` of every content of every row; `to` is absent for what stayed. */
  history = [];
  /** `{ at, rows }`: how many rows there are from a time on. */
  growth = [];

  constructor(columns) {
    this.#columns = columns;
  }

  /** Feeds what a program wrote. */
  write(text) {
    // oxlint-disable-next-line no-control-regex -- terminal output is made of control characters
    for (const [token, parameter = "", final] of text.matchAll(/\u001b\[([0-9;?]*)([A-Za-z])|\u001b.|[^\u001b]/gsu)) {
      if (final !== undefined) this.#control(final, parameter);
      else if (token === "\r") this.#column = 0;
      else if (token === "\n") this.#down();
      else if (token >= " ") this.#put(token);
    }
  }

  /** Takes the picture of a moment, in seconds. */
  snapshot(at) {
    const time = Math.round(at / STEP) * STEP;
    for (const [row, cells] of this.#rows.entries()) {
      const key = JSON.stringify(cells);
      const before = this.#shown[row];
      if (before?.key === key) continue;
      if (before !== undefined) before.entry.to = time;
      const entry = { row, cells: cells.map((cell) => ({ ...cell })), from: time };
      this.#shown[row] = { key, entry };
      this.history.push(entry);
    }
    for (const gone of this.#shown.splice(this.#rows.length)) gone.entry.to = time;
    this.history = this.history.filter(({ from, to, cells }) => to !== from && cells.length > 0);
    if (this.growth.at(-1)?.rows !== this.#rows.length) this.growth.push({ at: time, rows: this.#rows.length });
  }

  #put(character) {
    if (this.#column === this.#columns) {
      this.#column = 0;
      this.#down();
    }
    const cells = this.#rows[this.#row];
    while (cells.length < this.#column) cells.push({ character: " ", style: "" });
    cells[this.#column] = { character, style: this.#style };
    this.#column += 1;
  }

  #down() {
    this.#row += 1;
    if (this.#row === this.#rows.length) this.#rows.push([]);
  }

  #control(final, parameter) {
    const count = Number.parseInt(parameter, 10) || 1;
    if (final === "A") this.#row = Math.max(0, this.#row - count);
    else if (final === "C") this.#column += count;
    else if (final === "D") this.#column = Math.max(0, this.#column - count);
    else if (final === "G") this.#column = count - 1;
    else if (final === "K") this.#rows[this.#row].splice(parameter === "2" ? 0 : this.#column);
    else if (final === "J") {
      this.#rows[this.#row].splice(this.#column);
      this.#rows.splice(this.#row + 1);
    } else if (final === "m") this.#style = styleAfter(this.#style, parameter);
  }
}

const COLOURS = { 31: "red", 32: "green", 33: "yellow", 36: "cyan" };

/** Class names of a style after a "select graphic rendition". */
function styleAfter(style, parameter) {
  const classes = new Set(style.split(" ").filter(Boolean));
  const drop = (...names) => names.forEach((name) => classes.delete(name));
  for (const code of parameter.split(";").map(Number)) {
    if (code === 0) classes.clear();
    else if (code === 1) classes.add("bold");
    else if (code === 2) classes.add("dim");
    else if (code === 22) drop("bold", "dim");
    else if (code === 39) drop(...Object.values(COLOURS));
    else if (COLOURS[code] !== undefined) {
      drop(...Object.values(COLOURS));
      classes.add(COLOURS[code]);
    }
  }
  return [...classes].join(" ");
}
