import type { ReportCode } from "../../../src/host/host-report.ts";
import type { Scenario } from "../scenario.ts";

/** What Envoy does that nobody should: checked to be so still, and that the embedded host says so instead. */
export interface Fault {
  readonly scenario: Scenario;
  /**
   * `dies`: the process ends by a signal. `repeats`: the upstream gets the request more than once. `garbles`: the client
   * gets the response's headers twice, the second time as a body. `circles`: the callback is called from within itself
   * until the stack is full and the VM is gone.
   */
  readonly envoy: "dies" | "repeats" | "garbles" | "circles";
  /** What is reported, if anything. */
  readonly report: ReportCode | undefined;
  /** For the docs: what the filter does. */
  readonly title: string;
  /** What happens to the stream here. */
  readonly here: "The stream is reset." | "The call has no effect.";
}

const one = (name: string, script: string, more: Partial<Scenario> = {}): Scenario => ({
  name,
  filters: [{ script }],
  requests: [{ patienceMs: 300 }],
  ...more,
});

const LAST = [
  ["log", "on_log"],
  ["done", "on_done"],
  ["del", "on_delete"],
] as const;

/** Each needs an Envoy of its own. */
export const faults: readonly Fault[] = [
  {
    title: "`continue_stream(response)` before there is a response",
    scenario: one("fault-continue-response", "rqh: continue 1"),
    envoy: "dies",
    report: "continue-without-response",
    here: "The stream is reset.",
  },
  {
    title: "`continue_stream(request)` in `on_request_headers`, which then answers Continue",
    scenario: one("fault-continue-twice", "rqh: continue 0"),
    envoy: "repeats",
    report: "continue-and-continue",
    here: "The stream is reset.",
  },
  {
    title: "`continue_stream(response)` in `on_response_headers`, which then answers Continue",
    scenario: one("fault-continue-response-twice", "rsh: continue 1"),
    envoy: "garbles",
    report: "continue-and-continue",
    here: "The stream is reset.",
  },
  {
    title: "`continue_stream(request)` in each `on_request_body`, after headers answered StopAllIterationAndBuffer",
    scenario: one(
      "fault-continue-circle",
      `rqh: http callout {:path: /slow, :method: GET, :authority: x} "" {} 1000; ret 3\nhcr: effective $stream; continue 0\nrqb: continue 0; ret 1`,
      { requests: [{ method: "POST", body: Array.from({ length: 30 }, () => "abc"), patienceMs: 300 }] },
    ),
    envoy: "circles",
    report: "continue-in-circle",
    here: "The stream is reset.",
  },
  {
    title: "`continue_stream(request)` for a filter of the chain that the request has not reached",
    scenario: one("fault-continue-early", "", {
      filters: [
        {
          script: `rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: effective 4; continue 0; effective 3; continue 0`,
        },
        { script: "rqh: ret 0" },
      ],
    }),
    envoy: "repeats",
    report: undefined,
    here: "The call has no effect.",
  },
  ...LAST.flatMap(([moment, callback]): Fault[] => [
    {
      title: `\`close_stream\` in \`${callback}\``,
      scenario: one(`fault-close-in-${moment}`, `${moment}: close 0`),
      envoy: "dies",
      report: "stream-over",
      here: "The call has no effect.",
    },
    {
      title: `\`send_local_response\` in \`${callback}\``,
      scenario: one(`fault-local-in-${moment}`, `${moment}: local 403 d b {} -1`),
      envoy: "dies",
      report: "stream-over",
      here: "The call has no effect.",
    },
  ]),
  {
    title:
      "`grpc_call` or `grpc_stream` with a `GrpcService` message that names no target (a short cluster name can be one by accident: `empty` is)",
    scenario: one("fault-grpc-target", "rqh: grpc_call empty s m {} x 1000"),
    envoy: "dies",
    report: "grpc-without-target",
    here: "The call has no effect.",
  },
];
