import { byFile } from "./by-file.ts";
import type { LogEntry } from "../../host/environment.ts";
import { LOG_LEVELS } from "../../host/enums.ts";
import { Status } from "../../host/status.ts";
import type { TraceEvent } from "../../host/trace.ts";
import type { Style } from "../../platform/terminal.ts";
import type { CaseResult, Failure, TestReport } from "./case-result.ts";

/** Lines of the log a failed case shows. */
const LOG_LINES = 12;
/** Further lines of a message: a trap brings the calls it came from. */
const MORE_LINES = 5;
/** A sentence longer than this shows its two values on lines of their own. */
const ONE_LINE = 110;

/** A run for people: one line for a file that passed, everything that helps for a case that did not. */
export function reportText({ results, durationMs }: TestReport, style: Style): string {
  const files = byFile(results);
  const parts: string[] = [];
  for (const [file, cases] of files) parts.push(fileLines(file, cases, style));
  parts.push("", summary(results, durationMs, style));
  return parts.join("\n");
}

function fileLines(file: string, cases: readonly CaseResult[], style: Style): string {
  const bad = cases.filter(isBad);
  const mark = bad.length > 0 ? style.red("✗") : style.green("✓");
  const skipped = cases.filter(({ status }) => status === "skipped").length;
  const counts = [
    `${cases.length} ${cases.length === 1 ? "test" : "tests"}`,
    ...(bad.length > 0 ? [style.red(`${bad.length} failed`)] : []),
    ...(skipped > 0 ? [style.yellow(`${skipped} skipped`)] : []),
  ];
  const time = Math.round(cases.reduce((sum, one) => sum + one.durationMs, 0));
  const lines = [`${mark} ${file} ${style.dim("(")}${counts.join(style.dim(", "))}${style.dim(`) ${time} ms`)}`];
  for (const one of bad) lines.push(badCase(one, style));
  for (const one of cases) lines.push(...warnings(one, style), ...measured(one, style));
  return lines.join("\n");
}

function badCase(result: CaseResult, style: Style): string {
  const place = result.line === undefined ? result.file : `${result.file}:${result.line}`;
  const lines = [`  ${style.red("✗")} ${style.bold(result.name)}  ${style.dim(place)}`];
  for (const failure of result.failures) lines.push(...failureLines(failure, style));
  const logs = result.logs.filter(({ source }) => source !== "host");
  if (logs.length > 0) lines.push(`    ${style.dim("log")}`, ...logLines(logs, style));
  if (result.trace.length > 0) lines.push(`    ${style.dim("calls")}`, ...traceLines(result.trace, style));
  return lines.join("\n");
}

function failureLines({ path, message, expected, actual }: Failure, style: Style): string[] {
  const lines: string[] = [];
  const long = message.length > ONE_LINE && expected !== undefined && actual !== undefined;
  const [first = "", ...more] = (long ? (message.split(" is ", 1)[0] ?? message) : message).split("\n");
  lines.push(`    ${first}`, ...more.slice(0, MORE_LINES).map((line) => style.dim(`      ${line.trim()}`)));
  if (long) lines.push(`      ${style.green("expected")} ${expected}`, `      ${style.red("received")} ${actual}`);
  lines.push(`      ${style.dim(`at ${path}`)}`);
  return lines;
}

function logLines(logs: readonly LogEntry[], style: Style): string[] {
  const shown = logs.slice(-LOG_LINES);
  const width = Math.max(...shown.map(({ level }) => level.length));
  const left = logs.length - shown.length;
  return [
    ...(left > 0 ? [style.dim(`      … ${left} lines before`)] : []),
    ...shown.map(({ level, text, source }) => {
      const paint = LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf("error") ? style.red : style.dim;
      const from = source === "log" ? "" : style.dim(`${source} `);
      return `      ${paint(level.padEnd(width))} ${from}${text}`;
    }),
  ];
}

/** Calls of the guest by the host, and, indented, of the host by the guest with what they answered. */
function traceLines(trace: readonly TraceEvent[], style: Style): string[] {
  return trace.flatMap((event) => {
    switch (event.type) {
      case "callback":
        return [`      ${event.name}(${event.args.join(", ")})`];
      case "return":
        if (event.trap !== undefined) return [`      ${style.red(`${event.name} trapped: ${event.trap}`)}`];
        return event.result === undefined
          ? []
          : [style.dim(`      ${event.name} → ${answerText(event.name, event.result)}`)];
      case "call": {
        const args = event.args.map((arg) => (typeof arg === "string" ? JSON.stringify(arg) : String(arg))).join(", ");
        const answer = event.status === Status.ok ? style.dim("Ok") : style.yellow(statusName(event.status));
        const result = event.result === undefined ? "" : ` ${style.dim(shortValue(event.result))}`;
        return [`        ${event.name}(${args}) → ${answer}${result}`];
      }
    }
  });
}

/** What an answer means where it is an action; 0 is Continue. */
function answerText(callback: string, result: number): string {
  const isAction = /^proxy_on_(?:request|response)_(?:headers|body|trailers)$/u.test(callback);
  return isAction ? `${result} (${result === 0 ? "continue" : "stop"})` : String(result);
}

function shortValue(value: string | number | bigint): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function statusName(status: number): string {
  const name = Object.entries(Status).find(([, number]) => number === status)?.[0] ?? String(status);
  return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}

function warnings({ reports, name, line, file }: CaseResult, style: Style): string[] {
  const seen = new Set<string>();
  return reports.flatMap(({ severity, code, message }) => {
    if (severity !== "warning" || seen.has(code)) return [];
    seen.add(code);
    const place = style.dim(`${name}  ${file}${line === undefined ? "" : `:${line}`}`);
    return [`  ${style.yellow("!")} ${code}: ${message}\n      ${place}`];
  });
}

function measured(result: CaseResult, style: Style): string[] {
  if (result.measured === undefined) return [];
  const figures = Object.entries(result.measured).map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`);
  return [`  ${style.cyan("·")} ${result.name}: ${figures.join(", ")}`];
}

function summary(results: readonly CaseResult[], durationMs: number, style: Style): string {
  const count = (status: CaseResult["status"]): number => results.filter((one) => one.status === status).length;
  const failed = count("failed") + count("error");
  const parts = [
    ...(failed > 0 ? [style.red(`${failed} failed`)] : []),
    ...(count("passed") > 0 ? [style.green(`${count("passed")} passed`)] : []),
    ...(count("skipped") > 0 ? [style.yellow(`${count("skipped")} skipped`)] : []),
  ];
  return `${style.bold("Tests")} ${parts.join(", ")} ${style.dim(`in ${Math.round(durationMs)} ms`)}`;
}

function isBad({ status }: CaseResult): boolean {
  return status === "failed" || status === "error";
}
