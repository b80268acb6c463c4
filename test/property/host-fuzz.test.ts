import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ForeignFunctions } from "../../src/host/foreign.ts";
import type { TraceEvent } from "../../src/host/trace.ts";
import { hostImport } from "../../src/wasm/host-imports.ts";
import { type Drive, driveGuest } from "../support/drive-guest.ts";
import { guestPrograms } from "../support/guest-arbitraries.ts";
import { guestModule, type GuestProgram } from "../support/guest-program.ts";

/** Every status Envoy's sources and the measured behaviour know for a call. */
const STATUSES: Readonly<Record<string, readonly number[]>> = {
  proxy_log: [0, 2, 6],
  proxy_get_log_level: [0, 6],
  proxy_get_current_time_nanoseconds: [0, 6],
  proxy_set_tick_period_milliseconds: [0],
  proxy_get_status: [0, 6],
  proxy_get_property: [0, 1, 3, 6],
  proxy_set_property: [0, 1, 2, 6],
  proxy_get_buffer_bytes: [0, 1, 2, 6],
  proxy_get_buffer_status: [0, 1, 2, 6],
  proxy_set_buffer_bytes: [0, 1, 2, 6],
  proxy_get_header_map_pairs: [0, 2, 6],
  proxy_set_header_map_pairs: [0, 2, 6],
  proxy_get_header_map_value: [0, 1, 2, 6],
  proxy_add_header_map_value: [0, 2, 6],
  proxy_replace_header_map_value: [0, 2, 6],
  proxy_remove_header_map_value: [0, 2, 6],
  proxy_get_header_map_size: [0, 2, 6],
  proxy_continue_stream: [0, 2, 12],
  proxy_close_stream: [0, 2],
  proxy_send_local_response: [0, 6],
  proxy_http_call: [0, 2, 6, 10],
  proxy_grpc_call: [0, 2, 4, 6, 10],
  proxy_grpc_stream: [0, 2, 4, 6, 10],
  proxy_grpc_send: [0, 1, 2, 6],
  proxy_grpc_cancel: [0, 1, 2],
  proxy_grpc_close: [0, 1, 2],
  proxy_get_shared_data: [0, 1, 6],
  proxy_set_shared_data: [0, 6, 8],
  proxy_register_shared_queue: [0, 6],
  proxy_resolve_shared_queue: [0, 1, 6],
  proxy_enqueue_shared_queue: [0, 1, 6],
  proxy_dequeue_shared_queue: [0, 1, 6, 7],
  proxy_define_metric: [0, 2, 6],
  proxy_increment_metric: [0, 1, 2],
  proxy_record_metric: [0, 1],
  proxy_get_metric: [0, 1, 2, 6],
  proxy_set_effective_context: [0, 2],
  proxy_done: [0, 1],
  proxy_call_foreign_function: [0, 1, 2, 3, 6],
};

/** Memory that is not there is refused with 6, unless an enumeration out of range (2) or a missing buffer (1) comes first. */
const BEFORE_BOUNDS: ReadonlySet<string> = new Set([
  "proxy_log",
  "proxy_set_buffer_bytes",
  "proxy_set_header_map_pairs",
  "proxy_get_header_map_value",
  "proxy_add_header_map_value",
  "proxy_replace_header_map_value",
  "proxy_remove_header_map_value",
]);

/** What is wrong with a call, `undefined` for nothing. */
function wrong(event: TraceEvent): string | undefined {
  if (event.type !== "call" || hostImport("env", event.name) === undefined) return undefined;
  const { name, status, args } = event;
  const known = STATUSES[name];
  if (known !== undefined && !known.includes(status)) return `${name} answered ${status}`;
  const outside = args.some((arg) => typeof arg === "string" && arg.startsWith("out of bounds"));
  if (outside && status !== 6 && !BEFORE_BOUNDS.has(name)) return `${name} took memory that is not there: ${status}`;
  if (outside && status === 0) return `${name} took memory that is not there`;
  return undefined;
}

/** Throws when the host did, or when a status is not Envoy's. */
function check(program: GuestProgram, foreign?: ForeignFunctions): Drive {
  const module = guestModule(program);
  const drive = driveGuest(module, foreign === undefined ? {} : { foreign });
  for (const event of drive.events) {
    const fault = wrong(event);
    if (fault !== undefined) throw new Error(fault);
  }
  const silent = driveGuest(module, { trace: false, ...(foreign === undefined ? {} : { foreign }) });
  expect(silent.refused).toBe(drive.refused);
  expect(silent.environment.lines).toEqual(drive.environment.lines);
  return drive;
}

describe("a host with guests that call anything from anywhere", () => {
  it("never throws, and answers with Envoy's statuses, traced or not", () => {
    let calls = 0;
    let refused = 0;
    let trapped = 0;
    const answered = new Set<string>();
    fc.assert(
      fc.property(guestPrograms, (program) => {
        const drive = check(program);
        if (drive.refused !== undefined) refused += 1;
        if (drive.environment.reports.some(({ code }) => code === "trap")) trapped += 1;
        for (const event of drive.events) {
          if (event.type !== "call") continue;
          calls += 1;
          answered.add(`${event.name} ${event.status}`);
        }
      }),
      { numRuns: 200, endOnFailure: true },
    );
    // What was not tried was not shown: most programs start, and nearly every status is met.
    expect(calls).toBeGreaterThan(20_000);
    expect(refused + trapped).toBeGreaterThan(5);
    expect(refused).toBeLessThan(100);
    const possible = Object.entries(STATUSES).flatMap(([name, known]) => known.map((status) => `${name} ${status}`));
    const missed = possible.filter((each) => !answered.has(each));
    expect(missed.length).toBeLessThan(possible.length / 4);
  });

  it("finds a planted fault", () => {
    const planted: ForeignFunctions = new Map([
      [
        "planted",
        () => {
          throw new Error("planted");
        },
      ],
    ]);
    const result = fc.check(
      fc.property(guestPrograms, (program) => void check(program, planted)),
      { numRuns: 2000, endOnFailure: true },
    );
    expect(result.failed).toBe(true);
    expect(String(result.errorInstance)).toContain("planted");
  });
});
