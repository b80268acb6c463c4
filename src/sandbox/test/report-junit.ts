import { byFile } from "./by-file.ts";
import type { CaseResult, TestReport } from "./case-result.ts";

/** A run as JUnit XML, one suite per file: for CI servers. */
export function reportJunit({ results, durationMs }: TestReport): string {
  const files = byFile(results);
  const suites = [...files].map(([file, cases]) => suite(file, cases));
  const counts = attributes({ name: "wasme", ...countsOf(results), time: seconds(durationMs) });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${counts}>\n${suites.join("\n")}\n</testsuites>\n`;
}

function suite(file: string, cases: readonly CaseResult[]): string {
  const time = seconds(cases.reduce((sum, one) => sum + one.durationMs, 0));
  const lines = cases.map((one) => testCase(one));
  return `  <testsuite${attributes({ name: file, file, ...countsOf(cases), time })}>\n${lines.join("\n")}\n  </testsuite>`;
}

function testCase({ name, file, line, status, failures, logs, durationMs }: CaseResult): string {
  const place = line === undefined ? {} : { line: String(line) };
  const open = `    <testcase${attributes({ name, classname: file, file, ...place, time: seconds(durationMs) })}`;
  if (status === "passed") return `${open}/>`;
  if (status === "skipped") return `${open}>\n      <skipped/>\n    </testcase>`;
  const kind = status === "error" ? "error" : "failure";
  const problems = failures.map(({ path, message }) => {
    return `      <${kind}${attributes({ message, type: kind })}>${text(`${message}\nat ${path}`)}</${kind}>`;
  });
  const output = logs.map((entry) => `${entry.level} ${entry.text}`).join("\n");
  const shown = output === "" ? [] : [`      <system-out>${text(output)}</system-out>`];
  return [`${open}>`, ...problems, ...shown, "    </testcase>"].join("\n");
}

function countsOf(cases: readonly CaseResult[]): Record<"tests" | "failures" | "errors" | "skipped", string> {
  const count = (status: CaseResult["status"]): string => String(cases.filter((one) => one.status === status).length);
  return {
    tests: String(cases.length),
    failures: count("failed"),
    errors: count("error"),
    skipped: count("skipped"),
  };
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${text(value).replaceAll('"', "&quot;").replaceAll("\n", "&#10;")}"`)
    .join("");
}

/** Text for XML 1.0: characters it cannot hold at all are left out. */
function text(value: string): string {
  return value.replaceAll(NOT_XML, "\uFFFD").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const NOT_XML = new RegExp(
  String.raw`[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]`,
  "g",
);
