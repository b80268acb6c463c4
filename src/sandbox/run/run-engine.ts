import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import { type GuestWorker, startGuestWorker, type WorkerEnd, WorkerGone } from "../../isolate/guest-worker.ts";
import { workerEntry } from "../../isolate/worker-entry.ts";
import { CoreLink } from "./core-link.ts";
import { GrpcCallouts } from "./grpc-callouts.ts";
import { type CalloutRecord, HttpCallouts } from "./http-callouts.ts";
import type { Upstream } from "./http-side.ts";
import { type OutputBatch, ToCore } from "./messages.ts";
import { ownBytes } from "./pieces.ts";
import type { RunStart, RunWorkerData, StartQuestion } from "./run-worker.ts";

/** The upstreams filters may call, by name. */
export interface Clusters {
  readonly http: ReadonlyMap<string, Upstream>;
  /** Those that speak HTTP/2. */
  readonly grpc: ReadonlyMap<string, Upstream>;
}

/** What the filters of an engine tell beside their streams. */
export interface EngineEvents {
  log(entry: LogEntry): void;
  report(report: HostReport): void;
  callout(record: CalloutRecord): void;
}

/** How an engine is started. */
export interface EngineOptions {
  readonly clusters: Clusters;
  readonly events: EngineEvents;
  /** Milliseconds one call into the filter may take. */
  readonly hardLimitMs: number;
}

/** Filters in a worker of their own, and the line to them. */
export interface RunEngine {
  /** May be used at once: what is sent waits for the start. */
  readonly link: CoreLink;
  /** How the start went; never rejects. */
  readonly start: Promise<RunStart>;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** Lets the filters end, and then the thread. */
  stop(): Promise<void>;
}

/** A thread that has loaded what engines need, and waits to be told what to run. */
export interface SpareEngine {
  /** Starts the filters of a chain; once. */
  begin(data: RunWorkerData): RunEngine;
  /** Is of no use any more. */
  readonly ended: boolean;
  stop(): Promise<void>;
}

/** Milliseconds the filters may take to end. */
const STOP_MS = 1000;

/** Starts a thread for an engine to come: most of what the start of one takes is the start of its thread. */
export function spareEngine(options: EngineOptions): SpareEngine {
  const { clusters, events } = options;
  const worker = startGuestWorker({
    entry: workerEntry("./run-worker", import.meta.url),
    data: undefined,
    hardLimitMs: options.hardLimitMs,
    onMessage: (batch) => link.receive(batch as OutputBatch),
  });
  const callouts = new HttpCallouts(clusters.http, (id, record) => {
    const { answer, fault } = record;
    if (answer === undefined) link.send([ToCore.calloutFailed, id, fault ?? "reset"]);
    else link.send([ToCore.calloutAnswer, id, answer.headers, ownBytes(answer.body), answer.trailers]);
    events.callout(record);
  });
  const grpc = new GrpcCallouts(clusters.grpc, {
    initial: (id, metadata) => link.send([ToCore.grpcInitial, id, metadata]),
    message: (id, message) => link.send([ToCore.grpcMessage, id, message]),
    trailing: (id, metadata) => link.send([ToCore.grpcTrailing, id, metadata]),
    closed: (id, status, message) => link.send([ToCore.grpcClosed, id, status, message]),
    failed: (id, kind) => link.send([ToCore.grpcFailed, id, kind]),
  });
  const link: CoreLink = new CoreLink((batch, transfer) => worker.post(batch, transfer), {
    callout: (id, call) => callouts.send(id, call),
    cancelCallout: (id) => callouts.cancel(id),
    grpcOpen: (id, call) => grpc.open(id, call),
    grpcSend: (id, message, endStream) => grpc.send(id, message, endStream),
    grpcClose: (id) => grpc.closeStream(id),
    grpcCancel: (id) => grpc.cancel(id),
    log: (entry) => events.log(entry),
    report: (report) => events.report(report),
  });
  let gone = false;
  const ended = worker.ended.finally(() => {
    gone = true;
    callouts.close();
    grpc.close();
  });
  return {
    begin: (data) => ({ link, start: started(worker, data), ended, stop: async () => await stop(worker) }),
    get ended() {
      return gone;
    },
    stop: async () => await worker.stop(),
  };
}

async function started(worker: GuestWorker, data: RunWorkerData): Promise<RunStart> {
  try {
    return (await worker.ask({ start: data } satisfies StartQuestion)) as RunStart;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { started: false, reason: error instanceof WorkerGone ? error.end.reason : "bug", message };
  }
}

async function stop(worker: GuestWorker): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_MS);
  });
  await Promise.race([worker.ask("stop").catch(() => undefined), late]);
  clearTimeout(timer);
  await worker.stop();
}
