import type { Style } from "../../../platform/terminal.ts";
import type { LanguageHealth, MachineHealth } from "../../../toolchain/examine-tools.ts";
import type { ToolReport } from "../../../toolchain/runner.ts";
import type { Way } from "../../../toolchain/ways.ts";
import { renderTable } from "../table.ts";

/** A machine's health as text: this program, then each language with its verdict and the tools it looked for. */
export function renderHealth(health: MachineHealth & { readonly wasme: string }, style: Style, width: number): string {
  const { wasme, node, home, engine, languages } = health;
  const about = [
    `${style.green("ok")}        wasme ${wasme} on Node.js ${node.version}, ${node.where}`,
    home.writable
      ? `${style.green("ok")}        its folder ${home.path}`
      : `${style.red("unfit")}     its folder ${home.path}: ${home.problem ?? "cannot be written to"}`,
  ];
  const engines = engine === undefined ? [] : [engine];
  const tools = [...engines, ...languages.flatMap((language) => language.tools)];
  const [heading = "", ...lines] = renderTable(COLUMNS, tools.map(row), width).split("\n");
  const advised = new Set(languages.map(({ advice }) => advice));
  const told = lines.map((line, at) => [paint(line, style), ...notes(tools[at], advised, style)].join("\n"));
  const blocks = languages.map((language, at) => {
    const before = languages.slice(0, at).reduce((sum, each) => sum + each.tools.length, engines.length);
    return [verdict(language, style), ...told.slice(before, before + language.tools.length)].join("\n");
  });
  return [[...about, ...told.slice(0, engines.length)].join("\n"), style.dim(heading), ...blocks].join("\n\n");
}

const COLUMNS = [
  { title: "STATE".padEnd(8) },
  { title: "TOOL", minWidth: 8 },
  { title: "VERSION", minWidth: 7 },
  { title: "FOR", minWidth: 24 },
  { title: "WHERE", minWidth: 12 },
];

function row({ state, tool, version = "", where = "", purpose }: ToolReport): readonly string[] {
  return [state, tool, version, purpose, where];
}

function verdict({ language, canBuild, ways, advice }: LanguageHealth, style: Style): string {
  const name = style.bold(language);
  if (canBuild) return `${name}: ${style.green("can be built")} ${ways.map((way) => BY[way]).join(", or ")}`;
  return `${name}: ${style.red("cannot be built")}${advice === undefined ? "" : `; do this: ${advice}`}`;
}

const BY: Readonly<Record<Way, string>> = { native: "natively", npm: "by npm", container: "in a container" };

/** The state is the first word of a line: painted last, so that it does not count for the columns. */
function paint(line: string, style: Style): string {
  return line.replace(/^\w+/u, (state) => {
    if (state === "ok") return style.green(state);
    return state === "optional" ? style.dim(state) : style.red(state);
  });
}

/** What does not fit into a column, and is never cut; what the verdict or the state said already is left out. */
function notes(
  tool: ToolReport | undefined,
  advised: ReadonlySet<string | undefined>,
  style: Style,
): readonly string[] {
  if (tool === undefined || tool.state === "ok") return [];
  const { problem = "", install } = tool;
  const [why = ""] = problem.trim().split("\n");
  return [
    ...(why === "" || why.includes("was not found in PATH") ? [] : [`${INDENT}${style.dim("why:")} ${why}`]),
    ...(install === undefined || advised.has(install) ? [] : [`${INDENT}${style.dim("get it:")} ${install}`]),
  ];
}

const INDENT = " ".repeat(10);
