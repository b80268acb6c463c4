import type { CaseResult, TestReport } from "./case-result.ts";

/** A run as TAP, version 14 (a reader of version 13 takes it, too): one point per case, with YAML under those that failed. */
export function reportTap({ results }: TestReport): string {
  const lines = ["TAP version 14", `1..${results.length}`];
  for (const [place, result] of results.entries()) lines.push(...point(result, place + 1));
  return `${lines.join("\n")}\n`;
}

function point(result: CaseResult, number: number): string[] {
  const { status, file, line, name, failures, durationMs } = result;
  const ok = status === "passed" || status === "skipped" ? "ok" : "not ok";
  const skip = status === "skipped" ? " # SKIP" : "";
  const head = `${ok} ${number} - ${escape(`${file} > ${name}`)}${skip}`;
  if (ok === "ok") return [head];
  return [
    head,
    "  ---",
    `  file: ${JSON.stringify(file)}`,
    ...(line === undefined ? [] : [`  line: ${line}`]),
    `  duration_ms: ${durationMs.toFixed(1)}`,
    "  failures:",
    ...failures.flatMap(({ path, message, expected, actual }) => [
      `    - at: ${JSON.stringify(path)}`,
      `      message: ${JSON.stringify(message)}`,
      ...(expected === undefined ? [] : [`      expected: ${JSON.stringify(expected)}`]),
      ...(actual === undefined ? [] : [`      actual: ${JSON.stringify(actual)}`]),
    ]),
    "  ...",
  ];
}

/** `#` and `\` mean something in a description. */
function escape(text: string): string {
  return text.replaceAll(/[\r\n]+/gu, " ").replaceAll(/[\\#]/gu, String.raw`\$&`);
}
