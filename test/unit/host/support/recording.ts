import { BodyBuffer } from "../../../../src/host/body-buffer.ts";
import type { HostEnvironment, LogEntry } from "../../../../src/host/environment.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import type { HostReport } from "../../../../src/host/host-report.ts";
import type { HttpFilterCallbacks, LocalReply } from "../../../../src/host/http-filter.ts";
import { newStreamInfo } from "../../../../src/host/stream-info.ts";
import type { StreamInfo } from "../../../../src/host/stream-info.ts";

/** A world that stands still until it is told otherwise, and keeps all it is told. */
export interface RecordingEnvironment extends HostEnvironment {
  readonly clock: { at: bigint; now(): bigint; monotonic(): bigint };
  readonly lines: LogEntry[];
  readonly reports: HostReport[];
}

export function recordingEnvironment(more: Partial<HostEnvironment> = {}): RecordingEnvironment {
  const lines: LogEntry[] = [];
  const reports: HostReport[] = [];
  return {
    random: (target) => target.fill(7),
    log: (entry) => void lines.push(entry),
    report: (report) => void reports.push(report),
    ...more,
    clock: {
      at: 5_000_000_000n,
      now(): bigint {
        return 1_700_000_000_000_000_000n + this.at;
      },
      monotonic(): bigint {
        return this.at;
      },
    },
    lines,
    reports,
  };
}

/** Keeps what a filter does to its stream, by name. */
export class RecordingCallbacks implements HttpFilterCallbacks {
  readonly info: StreamInfo = newStreamInfo(0n);
  readonly acts: string[] = [];
  readonly reports: HostReport[] = [];
  reply: LocalReply | undefined;
  requestBody: BodyBuffer | undefined;
  responseBody: BodyBuffer | undefined;
  requestTrailers: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;
  hasResponse = false;

  decodingBuffer(): BodyBuffer | undefined {
    return this.requestBody;
  }

  addDecodedData(data: BodyBuffer): void {
    this.requestBody ??= new BodyBuffer();
    this.requestBody.moveFrom(data);
  }

  addDecodedTrailers(): HeaderMap {
    this.requestTrailers = new HeaderMap("trailers");
    return this.requestTrailers;
  }

  continueDecoding(): void {
    this.acts.push("continueDecoding");
  }

  encodingBuffer(): BodyBuffer | undefined {
    return this.responseBody;
  }

  addEncodedData(data: BodyBuffer): void {
    this.responseBody ??= new BodyBuffer();
    this.responseBody.moveFrom(data);
  }

  addEncodedTrailers(): HeaderMap {
    this.responseTrailers = new HeaderMap("trailers");
    return this.responseTrailers;
  }

  continueEncoding(): void {
    this.acts.push("continueEncoding");
  }

  sendLocalReply(reply: LocalReply): void {
    this.acts.push(`sendLocalReply ${reply.status} ${reply.details}`);
    this.reply ??= reply;
  }

  resetStream(details: string): void {
    this.acts.push(`resetStream ${details}`);
  }

  clearRouteCache(): void {
    this.acts.push("clearRouteCache");
  }

  report(report: HostReport): void {
    this.reports.push(report);
  }
}
