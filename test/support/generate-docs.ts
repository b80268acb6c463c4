import { readFileSync } from "node:fs";
import { join } from "node:path";
import { allCommands } from "../../src/cli/command-index.ts";
import { type CommandSpec, type OptionSpec, usageLine } from "../../src/cli/command-spec.ts";
import { ENV_TABLE } from "../../src/cli/env-table.ts";
import { EXIT_BUG, EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { groupOptions, optionDescription } from "../../src/cli/help.ts";
import { globalOptions } from "../../src/cli/options/global.ts";
import { sourceFiles } from "./imports.ts";

const NOTE = "<!-- Made from the code by `npm run docs`; a test compares. Do not edit. -->";

/** Every generated page: path below `docs/reference/` and its content. */
export async function generateDocs(src: string): Promise<ReadonlyMap<string, string>> {
  const specs = await Promise.all(allCommands().map((entry) => entry.load()));
  return new Map([
    ["cli.md", cliPage(specs)],
    ["env.md", envPage()],
    ["exit-codes.md", exitCodesPage()],
    ["errors.md", errorsPage(src)],
  ]);
}

function cliPage(specs: readonly CommandSpec[]): string {
  const index = specs.map(
    (spec) => `- [\`wasme ${spec.name}\`](#wasme-${spec.name.replaceAll(" ", "-")}) – ${spec.summary}`,
  );
  return page("Commands", [
    ...index,
    "",
    "## Options of every command",
    "",
    optionTable(globalOptions),
    "",
    ...specs.map(section),
  ]);
}

function section(spec: CommandSpec): string {
  const lines = [`## wasme ${spec.name}`, "", spec.description ?? `${spec.summary}.`, "", "```sh"];
  for (const example of spec.examples) lines.push(`# ${example.does}`, example.command, "");
  if (lines.at(-1) === "") lines.pop();
  lines.push("```", "", `Usage: \`${usageLine(spec)}\``, "");
  if (spec.arguments.length > 0) {
    lines.push("| Argument | Meaning |", "|---|---|");
    for (const { name, description } of spec.arguments) lines.push(`| \`${name}\` | ${cell(description)} |`);
    lines.push("");
  }
  for (const [title, options] of groupOptions(spec.options)) lines.push(`**${title}**`, "", optionTable(options), "");
  return lines.join("\n");
}

function optionTable(options: readonly OptionSpec[]): string {
  const rows = options
    .filter((option) => option.hidden !== true)
    .map((o) => `| \`${cell(o.flags)}\` | ${cell(optionDescription(o))} |`);
  return ["| Option | Meaning |", "|---|---|", ...rows].join("\n");
}

function envPage(): string {
  const rows = ENV_TABLE.map(({ name, meaning }) => `| \`${name}\` | ${cell(meaning)} |`);
  return page("Environment variables", [
    "A flag wins over a variable. No telemetry.",
    "",
    "| Variable | Meaning |",
    "|---|---|",
    ...rows,
  ]);
}

function exitCodesPage(): string {
  const rows = Object.values(EXIT_CODES).map(({ code, meaning }): [number, string] => [code, meaning]);
  const all: [number, string][] = [[0, "done"], ...rows, [EXIT_BUG, "a bug in wasme; please report it"]];
  const lines = all.toSorted(([a], [b]) => a - b).map(([code, meaning]) => `| ${code} | ${cell(meaning)} |`);
  return page("Exit codes", ["| Code | Meaning |", "|---|---|", ...lines]);
}

/** Error codes are found in the source: every construction of a `WasmeError` names its code literally. */
function errorsPage(src: string): string {
  const codes = new Map<string, Set<string>>();
  for (const file of sourceFiles(src)) {
    const text = readFileSync(join(src, file), "utf8");
    for (const [, kind, code = ""] of text.matchAll(/new WasmeError\(\s*"([a-z-]+)",\s*"([A-Z0-9_]+)"/gu))
      add(codes, code, kind ?? "");
    for (const [, code = ""] of text.matchAll(/usageError\(\s*"([A-Z0-9_]+)"/gu)) add(codes, code, "usage");
  }
  const rows = [...codes]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([code, kinds]) => `| \`${code}\` | ${[...kinds].map(exit).join(", ")} |`);
  const intro = 'Under `-o json` an error is one JSON line on stderr: `{"error":{"code","message","hint"}}`.';
  return page("Error codes", [intro, "", "| Code | Exit code |", "|---|---|", ...rows]);
}

function add(codes: Map<string, Set<string>>, code: string, kind: string): void {
  codes.set(code, (codes.get(code) ?? new Set<string>()).add(kind));
}

function exit(kind: string): string {
  const entry = Object.entries(EXIT_CODES).find(([name]) => name === kind);
  return entry === undefined ? kind : `${entry[1].code} (${kind})`;
}

function page(title: string, lines: readonly string[]): string {
  return `${[`# ${title}`, "", NOTE, "", ...lines].join("\n").trimEnd()}\n`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
