import type { LogEntry } from "../../host/environment.ts";
import type { TraceEvent } from "../../host/trace.ts";
import { type GuestWorker, startGuestWorker, WorkerGone } from "../../isolate/guest-worker.ts";
import { workerEntry } from "../../isolate/worker-entry.ts";
import type { CaseResult } from "./case-result.ts";
import type { PlannedCase } from "./planned-case.ts";
import type { WorkerMessage } from "./worker-message.ts";

/** Runs cases one after another in a thread. One that hangs ends its thread, and the next one goes on in another. */
export class CaseRunner {
  readonly #hardLimitMs: number;
  #modules: ReadonlyMap<string, Uint8Array> = new Map();
  #worker: GuestWorker | undefined;
  /** The thread knows the modules. */
  #told = false;
  readonly #seen: { readonly logs: LogEntry[]; readonly trace: TraceEvent[] } = { logs: [], trace: [] };

  /** Starts the thread at once: it gets ready while the files are read. */
  constructor(hardLimitMs: number) {
    this.#hardLimitMs = hardLimitMs;
    this.#worker = this.#start();
  }

  /** The modules of the cases to come, by key. */
  use(modules: ReadonlyMap<string, Uint8Array>): void {
    this.#modules = modules;
    this.#told = false;
  }

  /** Never rejects for what the filter does. */
  async run(planned: PlannedCase): Promise<CaseResult> {
    const started = performance.now();
    try {
      return await this.#ask(planned, false);
    } catch (error) {
      if (!(error instanceof WorkerGone)) throw error;
      return await this.#gone(planned, error, started);
    }
  }

  async stop(): Promise<void> {
    await this.#worker?.stop();
  }

  /** Runs the case once more, with everything it says written down as it comes, to show where it was. */
  async #gone(planned: PlannedCase, { end }: WorkerGone, started: number): Promise<CaseResult> {
    this.#worker = undefined;
    this.#seen.logs.length = 0;
    this.#seen.trace.length = 0;
    try {
      if (end.reason !== "endless") await this.#ask(planned, true);
    } catch (error) {
      if (!(error instanceof WorkerGone)) throw error;
    }
    this.#worker = undefined;
    const { logs, trace } = this.#seen;
    const callback = trace.findLast((event) => event.type === "callback");
    const where = callback?.type === "callback" ? ` (in ${callback.name})` : "";
    const message = `${end.message}${where}`;
    return {
      file: planned.file,
      line: planned.line,
      name: planned.name,
      status: "failed",
      failures: [{ path: `tests[${planned.index}]`, message, expected: undefined, actual: undefined }],
      logs: [...logs],
      reports: [],
      trace: trace.slice(-LAST_CALLS),
      durationMs: performance.now() - started,
    };
  }

  async #ask(planned: PlannedCase, live: boolean): Promise<CaseResult> {
    const worker = (this.#worker ??= this.#start());
    if (!this.#told) worker.post({ kind: "modules", modules: this.#modules } satisfies WorkerMessage);
    this.#told = true;
    return (await worker.ask({ kind: "case", planned, live } satisfies WorkerMessage)) as CaseResult;
  }

  #start(): GuestWorker {
    this.#told = false;
    return startGuestWorker({
      entry: workerEntry("./test-worker", import.meta.url),
      data: undefined,
      hardLimitMs: this.#hardLimitMs,
      answerLimitMs: Math.max(CASE_MS, this.#hardLimitMs * 60),
      onMessage: (message) => {
        const event = message as { readonly log?: LogEntry; readonly trace?: TraceEvent };
        const { logs, trace } = this.#seen;
        if (event.log !== undefined) logs.push(event.log);
        if (event.trace !== undefined) trace.push(event.trace);
        for (const seen of [logs, trace]) if (seen.length > MOST_SEEN) seen.splice(0, MOST_SEEN / 2);
      },
    });
  }
}

const LAST_CALLS = 10;
/** Lines, and calls, that are kept of a case that hangs. */
const MOST_SEEN = 2000;
/** Milliseconds a case may take at least. */
const CASE_MS = 60_000;
