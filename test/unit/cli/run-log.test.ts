import { expect, test } from "vitest";
import type { Context } from "../../../src/cli/context.ts";
import { createRunLog } from "../../../src/cli/commands/run-log.ts";
import { createStyle } from "../../../src/platform/terminal.ts";
import type { RunLogEntry } from "../../../src/sandbox/run/run-log.ts";

/** What a terminal shows of these, without the time. */
function shown(entries: readonly RunLogEntry[]): readonly string[] {
  const lines: string[] = [];
  const context = {
    terminal: { stderr: { isTerminal: true, style: createStyle(false), write: (text: string) => lines.push(text) } },
    global: { output: "text", quiet: false },
    clock: { now: () => 0 },
    events: () => undefined,
  } as unknown as Context;
  const log = createRunLog(context);
  for (const entry of entries) log(entry);
  return lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /u, "").trimEnd());
}

const RECORD = {
  method: "GET",
  path: "/admin",
  protocol: "HTTP/1.1",
  status: 403,
  bytesIn: 0,
  bytesOut: 10,
  ms: 1.5,
  flags: "",
  pausedIn: [],
  clientGone: false,
};

test("a response without details has none in its line", () => {
  for (const details of ["", undefined, "via_upstream"]) {
    expect(shown([{ type: "access", record: { ...RECORD, details } }])).toEqual(["403 GET /admin 10 B, 1.5 ms"]);
  }
  const slow = shown([{ type: "access", record: { ...RECORD, details: undefined, ms: 61_234.5 } }]);
  expect(slow).toEqual(["403 GET /admin 10 B, 1 min 1 s"]);
  const told = shown([{ type: "access", record: { ...RECORD, details: "mine", flags: "UF" } }]);
  expect(told).toEqual(["403 GET /admin 10 B, 1.5 ms, mine, UF"]);
});

test("a trap is told once: by the proxy's log, and not again by the report with the same words", () => {
  const words = "Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable";
  const of = { plugin: undefined, contextId: 2 };
  const log: RunLogEntry = { type: "log", entry: { level: "error", text: words, source: "host", stream: true, ...of } };
  const callback = "proxy_on_request_headers";
  const report = { code: "trap", severity: "fault", message: words, callback, ...of } as const;
  expect(shown([log, { type: "report", report }])).toEqual([`[filter] error ${words}`]);
  expect(shown([log, { type: "report", report: { ...report, message: "another" } }])).toHaveLength(2);
});
