import type { BodyBuffer } from "./body-buffer.ts";
import type { HostReport } from "./host-report.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Answer of a TCP filter to a connection or to data: whether it goes on to the next one. */
export type NetworkStatus = "continue" | "stop-iteration";

/** Who closed, as told to a TCP filter: Envoy's own side (`local`) or the other end (`remote`). */
export type ClosedBy = "unknown" | "local" | "remote";

/** What a TCP filter is asked. Data that was stopped is held, and comes again with what follows. */
export interface NetworkFilter {
  /** Called once, before everything else. */
  attach(callbacks: NetworkFilterCallbacks): void;
  onNewConnection(): NetworkStatus;
  /** From the client. */
  onDownstreamData(data: BodyBuffer, endStream: boolean): NetworkStatus;
  /** From the upstream. Its end is the upstream's close to the filter (`unknown`); no `onUpstreamClose` follows it. */
  onUpstreamData(data: BodyBuffer, endStream: boolean): NetworkStatus;
  onDownstreamClose(by: ClosedBy): void;
  onUpstreamClose(by: ClosedBy): void;
  /** Done, log, delete: in this order for TCP. */
  destroy(): void;
}

/** What a TCP filter may do to its connection. */
export interface NetworkFilterCallbacks {
  readonly info: StreamInfo;
  continueReading(): void;
  continueWriting(): void;
  /** Closes after what is written was sent. */
  close(): void;
  report(report: HostReport): void;
}

/** Makes the filter of one connection. */
export interface NetworkFilterFactory {
  readonly name: string;
  createNetworkFilter(): NetworkFilter;
}
