import type { LogEntry } from "../host/environment.ts";
import { LOG_LEVELS } from "../host/enums.ts";
import type { HostReport } from "../host/host-report.ts";
import type { TraceEvent } from "../host/trace.ts";
import type { SmokeLine, SmokeResult } from "./smoke-result.ts";

/** Remembers what a filter did, within bounds: a chatty one must not fill the memory. */
export class SmokeRecorder {
  readonly #onCallback: (name: string) => void;
  readonly #reports = new Map<string, HostReport>();
  readonly #lines: SmokeLine[] = [];
  readonly #calls = { section: new Set<string>(), start: new Set<string>(), running: new Set<string>() };
  #phase: "section" | "start" | "running" = "section";

  /** `onCallback` is told the name of each callback before it is made. */
  constructor(onCallback: (name: string) => void) {
    this.#onCallback = onCallback;
  }

  log({ level, text }: Pick<LogEntry, "level" | "text">): void {
    const panic = level === "critical" || PANICS.test(text);
    if (this.#lines.length >= MAX_LINES || (!panic && LOG_LEVELS.indexOf(level) < WARN)) return;
    this.#lines.push({ level, text: text.slice(0, MAX_TEXT), panic });
  }

  report(report: HostReport): void {
    const key = `${report.code} ${report.callback ?? ""}`;
    if (!this.#reports.has(key) && this.#reports.size < MAX_LINES) this.#reports.set(key, report);
  }

  trace(event: TraceEvent): void {
    if (event.type === "callback") {
      if (event.name.startsWith("proxy_")) this.#phase = "running";
      else if (ENTRIES.has(event.name)) this.#phase = "start";
      this.#onCallback(event.name);
    } else if (event.type === "call") this.#calls[this.#phase].add(event.name);
  }

  /** Everything so far; `imports` are the module's, as `module.name`. */
  seen(imports: readonly string[]): Pick<SmokeResult, "reports" | "lines" | "sectionCalls" | "startCalls" | "calls"> {
    const named = (names: ReadonlySet<string>): string[] => imports.filter((item) => names.has(withoutModule(item)));
    return {
      reports: [...this.#reports.values()],
      lines: this.#lines,
      sectionCalls: named(this.#calls.section),
      startCalls: named(this.#calls.start),
      calls: named(this.#calls.running),
    };
  }
}

function withoutModule(subject: string): string {
  return subject.slice(subject.indexOf(".") + 1);
}

/** What the run times of Rust, Go, C++ and AssemblyScript write before they give up, and their SDKs when surprised. */
const PANICS =
  /panicked at|^panic: |^fatal error: |goroutine \d+ \[running\]|terminate called|terminating (?:due to|with)|^abort(?:ed)?\b|: abort:|unexpected status: \d|Assertion failed/u;

/** What a proxy calls once the module is instantiated, before any callback. */
const ENTRIES: ReadonlySet<string> = new Set(["_initialize", "_start", "main", "__main_void"]);

const WARN = LOG_LEVELS.indexOf("warn");
const MAX_LINES = 50;
const MAX_TEXT = 2000;
