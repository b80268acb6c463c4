/** Draws a {@link Screen}'s life as one animated SVG: CSS keyframes alone, no script, nothing from elsewhere. */

const CELL = { width: 8, height: 18 };
const MARGIN = 14;
const BAR = 30;

/** `seconds` is the length of one round, `rows` and `columns` the size of the window. */
export function renderSvg(screen, { columns, rows, seconds }) {
  const width = columns * CELL.width + 2 * MARGIN;
  const height = rows * CELL.height + 2 * MARGIN + BAR;
  const percent = (time) => `${Number(((100 * time) / seconds).toFixed(2))}%`;
  const scroll = scrollSteps(screen.growth, rows);
  const groups = new Map();
  for (const entry of screen.history.filter((candidate) => wasSeen(candidate, scroll, rows))) {
    const key = `${entry.from} ${entry.to ?? ""}`;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  const styles = [];
  const drawn = [...groups.values()].map((entries, index) => {
    const [{ from, to }] = entries;
    const hide = to === undefined ? "" : `${percent(to)}{visibility:hidden}`;
    styles.push(
      `@keyframes k${index}{0%{visibility:hidden}${percent(from)}{visibility:visible}${hide}}`,
      `.k${index}{animation-name:k${index}${to === undefined ? "" : ";visibility:hidden"}}`,
    );
    return `<g class="t k${index}">${entries.map(renderRow).join("")}</g>`;
  });
  const shift = ({ first }) => `transform:translateY(${-first * CELL.height}px)`;
  styles.push(
    `@keyframes s{0%{transform:none}${scroll.map((step) => `${percent(step.at)}{${shift(step)}}`).join("")}}`,
    `.s{animation-name:s;${scroll.length > 0 ? shift(scroll.at(-1)) : ""}}`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="wasme at work in a terminal">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8dee9;white-space:pre}
.bold{font-weight:bold;fill:#fff}.dim{fill:#8a93a5}.red{fill:#f47067}.green{fill:#7ee787}.yellow{fill:#e3b341}.cyan{fill:#76e3ea}
.t,.s{animation:${seconds}s step-end infinite}
@media(prefers-reduced-motion:reduce){.t,.s{animation:none}}
${styles.join("\n")}
</style>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
<circle cx="20" cy="17" r="5.5" fill="#f47067"/><circle cx="38" cy="17" r="5.5" fill="#e3b341"/><circle cx="56" cy="17" r="5.5" fill="#7ee787"/>
<svg x="${MARGIN}" y="${BAR + MARGIN / 2}" width="${columns * CELL.width}" height="${rows * CELL.height}">
<g class="s">
${drawn.join("\n")}
</g>
</svg>
</svg>
`;
}

/** When the window moves down, and to which first row. */
function scrollSteps(growth, rows) {
  const steps = [];
  let first = 0;
  for (const { at, rows: count } of growth) {
    if (count - rows <= first) continue;
    first = count - rows;
    if (steps.at(-1)?.at === at) steps.pop();
    steps.push({ at, first });
  }
  return steps;
}

/** Whether a row was in the window at any time while it had this content. */
function wasSeen({ row, from, to = Number.POSITIVE_INFINITY }, scroll, rows) {
  const windows = [{ at: 0, first: 0 }, ...scroll];
  return windows.some(({ at, first }, index) => {
    const until = windows[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    return at < to && from < until && row >= first && row < first + rows;
  });
}

function renderRow({ row, cells }) {
  const runs = [];
  for (const { character, style } of cells) {
    if (runs.at(-1)?.style === style) runs.at(-1).text += character;
    else runs.push({ style, text: character });
  }
  const text = runs.map(({ style, text: run }) =>
    style === "" ? escape(run) : `<tspan class="${style}">${escape(run)}</tspan>`,
  );
  const y = row * CELL.height + 13;
  return `<text y="${y}" textLength="${cells.length * CELL.width}" xml:space="preserve">${text.join("")}</text>`;
}

function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
