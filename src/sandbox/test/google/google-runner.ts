import { messageOf } from "../../../domain/errors.ts";
import { type GuestWorker, startGuestWorker, WorkerGone } from "../../../isolate/guest-worker.ts";
import { workerEntry } from "../../../isolate/worker-entry.ts";
import type { CaseResult } from "../case-result.ts";
import type { GoogleWorkerData } from "./google-worker.ts";
import type { GoogleCaseOutcome } from "./run-google-case.ts";

/** Runs tests one by one in a thread, and starts another one when a filter took it along. */
export class GoogleRunner {
  readonly #data: GoogleWorkerData;
  readonly #hardLimitMs: number | undefined;
  #worker: GuestWorker | undefined;

  constructor(data: GoogleWorkerData, hardLimitMs: number | undefined) {
    this.#data = data;
    this.#hardLimitMs = hardLimitMs;
  }

  /** Runs the test at this place of the file. */
  async run(index: number): Promise<GoogleCaseOutcome & Pick<CaseResult, "status" | "durationMs">> {
    const started = performance.now();
    const outcome = await this.#outcome(index);
    const durationMs = performance.now() - started;
    return { ...outcome, status: outcome.failures.length === 0 ? "passed" : "failed", durationMs };
  }

  async #outcome(index: number): Promise<GoogleCaseOutcome> {
    this.#worker ??= startGuestWorker({
      entry: workerEntry("./google-worker", import.meta.url),
      data: this.#data,
      ...(this.#hardLimitMs === undefined ? {} : { hardLimitMs: this.#hardLimitMs }),
    });
    try {
      return (await this.#worker.ask({ index })) as GoogleCaseOutcome;
    } catch (error) {
      if (!(error instanceof WorkerGone)) throw error;
      this.#worker = undefined;
      const failure = { path: `test[${index}]`, message: messageOf(error), expected: undefined, actual: undefined };
      return { failures: [failure], logs: [], reports: [], trace: [] };
    }
  }

  async stop(): Promise<void> {
    await this.#worker?.stop();
  }
}
