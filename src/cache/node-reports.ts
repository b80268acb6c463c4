import { createRecorder, type Recorder } from "../controller/event-recorder.ts";
import type { KubePort } from "../kube/port.ts";
import type { Log } from "../platform/json-log.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { type CacheName, recordChange } from "./cache-events.ts";
import { type NodeIdentity, ReportWriter } from "./node-report-writer.ts";
import type { EntryChange, ReportBook } from "./report-book.ts";

/** What is told with. */
export interface NodeReportsDeps {
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly book: ReportBook;
  readonly identity: NodeIdentity;
  /** Without these nobody but the log is told. */
  readonly port: KubePort | undefined;
  readonly cache: CacheName | undefined;
}

/** Tells what becomes of a node's entries: in its log, in its report, and in events. */
export class NodeReports {
  readonly #log: Log;
  readonly #clock: SteadyClock;
  readonly #cluster:
    | { readonly cache: CacheName; readonly recorder: Recorder; readonly writer: ReportWriter }
    | undefined;

  constructor({ clock, log, book, identity, port, cache }: NodeReportsDeps) {
    this.#log = log;
    this.#clock = clock;
    if (port === undefined || cache === undefined) return;
    const instance = identity.pod?.name ?? identity.node;
    const recorder = createRecorder({ port, clock, log, controller: "wasme.io/cache", instance });
    const writer = new ReportWriter({ port, clock, log, cache, identity, reports: () => book.reports() });
    this.#cluster = { cache, recorder, writer };
  }

  /** An entry changed, or was taken off the list. */
  changed(change: EntryChange | undefined): void {
    this.#cluster?.writer.changed();
    if (change === undefined) return;
    const { entry, before, after } = change;
    if (this.#cluster !== undefined) recordChange(this.#cluster.recorder, this.#cluster.cache, change);
    const { module, bytes } = after.image ?? {};
    if (before?.state === after.state && before.image?.module === module) return;
    this.#log.info(`image ${after.state}`, { image: entry.text, module, bytes, why: after.error });
  }

  /** Keeps the report until the signal ends it; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#cluster?.writer.run(signal);
  }

  /** Waits a moment for what is still to be told. */
  async flush(): Promise<void> {
    await Promise.race([this.#cluster?.recorder.flush(), this.#clock.sleep(FLUSH_MS)]);
  }
}

/** Milliseconds. */
const FLUSH_MS = 2000;
