import type { HostReport, ReportCode } from "../host/host-report.ts";
import type { ModuleWarning } from "../wasm/module-report.ts";
import { type CheckFinding, type FindingContext, firstLine, moduleFinding, type Told } from "./check-finding.ts";
import { failureFindings, ROOT_ID_HINT } from "./failure-findings.ts";
import { fatalInStartSection } from "./start-section.ts";
import type { SmokeLine, SmokeResult, SmokeStream } from "./smoke-result.ts";

/** What module, settings and streams give reason to say. Problems of loading are in the report and not said again. */
export function findingsOf(context: FindingContext, smoke: SmokeResult | undefined): readonly CheckFinding[] {
  return [
    ...context.report.warnings.filter((item) => !disproved(item, smoke)).map((item) => moduleFinding("warning", item)),
    ...rootIdFindings(context),
    ...(smoke === undefined ? [] : smokeFindings(smoke, context)),
  ];
}

/** Not every filter of that SDK asks for its configuration. */
function disproved({ code }: ModuleWarning, smoke: SmokeResult | undefined): boolean {
  return code === "MODULE_NEEDS_CONFIG" && smoke?.outcome === "ran";
}

function rootIdFindings({ rootId, rootIds }: FindingContext): readonly CheckFinding[] {
  if (rootIds.length === 0 || rootIds.includes(rootId)) return [];
  const message = `is to run under root id ${JSON.stringify(rootId)}, and the image names ${rootIds.join(", ")}`;
  return [moduleFinding("warning", { code: "ROOT_ID_NOT_NAMED", message, hint: `--root-id ${rootIds[0] ?? ""}` })];
}

function smokeFindings(smoke: SmokeResult, context: FindingContext): readonly CheckFinding[] {
  const fatal = fatalInStartSection(smoke.sectionCalls);
  const streams = streamFindings(smoke, context);
  if (fatal.length === 0) return [...failureFindings(smoke, context), ...streams];
  const message = `calls ${fatal.join(", ")} in its start section, and Envoy crashes at that`;
  const hint = "move the code from global variables and the top level of files into the root context's start";
  const crash = moduleFinding("error", { code: "START_SECTION_CALLS", message, hint });
  // Which of these calls ended it here says nothing more.
  const failures = smoke.failure?.step === "instantiate" ? [] : failureFindings(smoke, context);
  return [crash, ...failures, ...streams];
}

function streamFindings(smoke: SmokeResult, context: FindingContext): readonly CheckFinding[] {
  const panic = smoke.lines.findIndex((line) => line.panic);
  return [
    ...tellingReports(smoke).map(reportFinding),
    ...(panic === -1 ? [] : [moduleFinding("warning", panicked(smoke.lines.slice(panic)))]),
    ...smoke.streams
      .filter(({ pausedIn }) => pausedIn.length > 0)
      .map((stream) => moduleFinding("warning", held(stream))),
    ...(isIdle(smoke, context) ? [moduleFinding("warning", IDLE)] : []),
  ];
}

/** Leaves out what follows from another report, or was told already as the reason why there were no streams. */
function tellingReports({ reports, outcome }: SmokeResult): readonly HostReport[] {
  const trapped = reports.some(({ code }) => code === "trap");
  return reports.filter(({ code, callback }) => {
    if (code === "trap") return outcome === "ran";
    if (code === "failed-vm") return !trapped;
    if (code === "start-section-call") return false; // an error of its own
    // The exchange says it again when the body has gone by.
    return callback !== undefined || !reports.some((other) => other.code === code && other.callback !== undefined);
  });
}

/** Some run times write the reason in a line of its own. */
function panicked(lines: readonly SmokeLine[]): Told {
  const [first = "", second = ""] = lines.map(({ text }) => firstLine(text));
  const text = first.endsWith(":") ? `${first} ${second}` : first;
  return { code: "FILTER_PANIC", message: `logs as if it gave up: ${text}` };
}

function held({ name, pausedIn }: SmokeStream): Told {
  const message = `holds a stream for good (${name}, in ${pausedIn.join(" and ")})`;
  const hint = "resume it when the answer it waits for has come, or answer Continue";
  return { code: "STREAM_HELD", message, hint };
}

function reportFinding({ code, message, callback }: HostReport): CheckFinding {
  const hint = callback === "proxy_on_context_create" ? ROOT_ID_HINT : REPORT_HINTS[code];
  const trap = code === "trap" ? "the filter traps: " : "";
  const where = callback === undefined || message.includes(callback) ? trap : `${trap}in ${callback}: `;
  return {
    code: `STREAM_${code.toUpperCase().replaceAll("-", "_")}`,
    severity: "warning",
    message: `${where}${firstLine(message)}`,
    ...(hint === undefined ? {} : { hint }),
  };
}

const REPORT_HINTS: Readonly<Partial<Record<ReportCode, string>>> = {
  trap: "after a trap Envoy answers 503 until the VM is made anew",
  "continue-without-response": "call it only once response headers have come",
  "continue-and-continue": "answer Pause when you resume by a call, or leave the call out",
  "continue-in-circle": "resume by a call once, and answer Continue in the body callback",
  "request-map-gone": "save what you need of the request in the request phase",
  "content-length-left": "remove or replace content-length in the header callback when you change the body",
  "malformed-pairs": "write count, sizes, and each name and value with a zero byte behind it",
};

/** Some SDKs answer a root id they do not know with a filter that does nothing. */
function isIdle({ outcome, calls }: SmokeResult, { report }: FindingContext): boolean {
  const { language } = report.origin;
  if (outcome !== "ran" || (language !== "cpp" && language !== "assemblyscript")) return false;
  return report.callbacks.includes("proxy_on_request_headers") && calls.every((name) => IDLE_CALLS.has(name));
}

const IDLE_CALLS: ReadonlySet<string> = new Set(
  ["proxy_get_property", "proxy_set_effective_context", "proxy_get_log_level"].map((name) => `env.${name}`),
);

const IDLE: Told = {
  code: "FILTER_IDLE",
  message: "does nothing at all in two streams; SDKs behave so when they do not know the root id",
  hint: "name the root id it registers: wasme check IMAGE --root-id ID",
};
