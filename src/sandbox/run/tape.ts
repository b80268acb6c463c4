import { messageOf } from "../../domain/errors.ts";
import type { ModuleSource } from "../module-source.ts";
import type { AccessRecord } from "./access-observer.ts";
import type { CalloutRecord } from "./http-callouts.ts";
import type { FilterRequest } from "./load-filter.ts";
import { openRecordFile, type RecordFile } from "./record-file.ts";
import { type NotRecorded, type RecordedExchange, RecordingObserver } from "./recorded-exchange.ts";
import type { RunLog } from "./run-log.ts";

/** The recorder of a run. */
export interface Tape {
  /** The observer of a stream that is to be recorded. */
  observe(
    protocol: string,
    onAccess: (record: AccessRecord) => void,
    onProblem: (message: string) => void,
  ): RecordingObserver;
  /** A callout ended: it is taken for one of the request that began last of those still open. */
  callout(record: CalloutRecord): void;
  /** A filter trapped in this callback: it is taken for one of the request that began last of those still open. */
  trap(callback: string | undefined): void;
  /** Waits until everything is written. */
  done(): Promise<void>;
}

/** What a tape needs to know of the run. */
export interface TapeSetting {
  readonly request: FilterRequest & { readonly record: string | undefined; readonly recordSecrets: boolean };
  readonly source: ModuleSource;
  readonly log: RunLog;
}

/** Opens the file of `--record`; `undefined` without. Throws what `openRecordFile` throws. */
export async function openTape(deps: { readonly cwd: string }, setting: TapeSetting): Promise<Tape | undefined> {
  const { request, source, log } = setting;
  const { record: file, recordSecrets: secrets } = request;
  if (file === undefined) return undefined;
  const target = await openRecordFile({ file, cwd: deps.cwd, secrets, source, request });
  return new FileTape(target, file, log);
}

class FileTape implements Tape {
  readonly #target: RecordFile;
  readonly #file: string;
  readonly #log: RunLog;
  readonly #open = new Set<RecordingObserver>();
  #writing: Promise<void> = Promise.resolve();
  #toldGone = false;

  constructor(target: RecordFile, file: string, log: RunLog) {
    this.#target = target;
    this.#file = file;
    this.#log = log;
  }

  observe(
    protocol: string,
    onAccess: (record: AccessRecord) => void,
    onProblem: (message: string) => void,
  ): RecordingObserver {
    const observer: RecordingObserver = new RecordingObserver([protocol, onAccess, onProblem], (exchange) => {
      this.#open.delete(observer);
      if (typeof exchange !== "string") this.#write(exchange);
      else this.#tellLeftOut(exchange);
    });
    this.#open.add(observer);
    return observer;
  }

  callout(record: CalloutRecord): void {
    [...this.#open].at(-1)?.callout(record);
  }

  trap(callback: string | undefined): void {
    if (callback !== undefined && OF_STREAMS.test(callback)) [...this.#open].at(-1)?.trap();
  }

  async done(): Promise<void> {
    await this.#writing;
  }

  #write(exchange: RecordedExchange): void {
    const written = this.#target.append(exchange).catch((error: unknown) => {
      this.#warn(`the exchange was not recorded in ${this.#file}: ${messageOf(error)}`);
    });
    this.#writing = this.#writing.then(async () => await written);
  }

  #tellLeftOut(why: NotRecorded): void {
    if (why === "too-large") this.#warn("an exchange with more than 1 MiB of body was not recorded");
    if (why !== "filter-gone" || this.#toldGone) return;
    this.#toldGone = true;
    this.#warn("exchanges are not recorded while the filter is gone", "--fail reload starts it anew after a trap");
  }

  #warn(message: string, hint?: string): void {
    this.#log({ type: "warning", message, ...(hint === undefined ? {} : { hint }) });
  }
}

/** Callbacks of a stream's own, not of the filter as a whole. */
const OF_STREAMS = /^proxy_on_(?:context_create|(?:request|response)_|http_call_response|grpc_|log|done)/u;
