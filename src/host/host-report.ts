/**
 * Something of a run that its author should know though no host call says so: a fault Envoy answers with a crash or a
 * second request (`docs/reference/host-differences.md`, "Envoy faults we report instead"), a mistake Envoy swallows, a
 * trap.
 */
export interface HostReport {
  readonly code: ReportCode;
  /** `fault`: the stream was ended for it, or the VM is gone. `warning`: Envoy goes on, and something is likely wrong. */
  readonly severity: "fault" | "warning";
  /** One sentence. */
  readonly message: string;
  /** Name of the plugin. */
  readonly plugin: string | undefined;
  /** Context the guest was in. */
  readonly contextId: number | undefined;
  /** Callback the guest was in: `proxy_on_request_headers`. */
  readonly callback: string | undefined;
}

/** Stable names of what can be reported. */
export type ReportCode =
  /** The guest trapped; its VM is gone. */
  | "trap"
  /** A host call in the module's start section: Envoy crashes while it loads the module. */
  | "start-section-call"
  /** A callback took longer than the profile's soft limit. */
  | "slow-callback"
  /** `continue_stream(response)` before there is a response: Envoy crashes (row 42 of the behaviour list in the docs). */
  | "continue-without-response"
  /** `continue_stream` from the headers callback of that half, which then answered Continue: Envoy sends twice, or resets. */
  | "continue-and-continue"
  /** `continue_stream` from each body callback of a half that was stopped whole: it is called again from within, for ever. */
  | "continue-in-circle"
  /** `close_stream` or a local response when the stream is over (`on_log`, `on_done`, `on_delete`): Envoy crashes. */
  | "stream-over"
  /** Serialised pairs that Envoy takes for an empty map without a word. */
  | "malformed-pairs"
  /** A gRPC callout whose `GrpcService` message names no target: Envoy crashes. */
  | "grpc-without-target"
  /** A map or property of the request read in the response phase, where Envoy has none. */
  | "request-map-gone"
  /** The body was changed and `content-length` was not. */
  | "content-length-left"
  /** A response header that HTTP does not allow was left out; Envoy writes it to an HTTP/1 client as it is. */
  | "invalid-header"
  /** An import that no proxy has was called and answered Unimplemented (`stubUnknown`). */
  | "unknown-import"
  /** A call that the profile's host does not have. */
  | "unsupported-call"
  /** A capability the configuration does not grant. */
  | "restricted-capability"
  /** Request trailers were added to a piece that the same callback held back: Envoy sends them and loses the piece. */
  | "trailers-lose-body"
  /** The request was continued when it had passed, trailers and all: Envoy sends its trailers twice. */
  | "continue-after-trailers"
  /** A body that ran into the buffer limit. */
  | "buffer-limit"
  /** The guest's memory reached its limit and `memory.grow` failed. */
  | "memory-limit"
  /** The filter was asked although its VM is gone, and the failure policy answered. */
  | "failed-vm"
  /** A line of the log looks like a panic that nothing else told; told by who reads the log, not by the host itself. */
  | "panic-in-log";

/** Takes reports. Must not throw. */
export type ReportSink = (report: HostReport) => void;
