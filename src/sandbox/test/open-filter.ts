import { usageError, WasmeError } from "../../domain/errors.ts";
import type { ProfileName } from "../../host/profile.ts";
import { type GuestWorker, startGuestWorker, WorkerGone } from "../../isolate/guest-worker.ts";
import { workerEntry } from "../../isolate/worker-entry.ts";
import type { SessionAnswer } from "./filter-session.ts";
import { libraryFinder } from "./library-finder.ts";
import type { ExchangeResult, LogLine, SessionState } from "./model-result.ts";
import type { Duration } from "./model-values.ts";
import type { Answer, Callout, FilterSettings, Given, Request, Step } from "./model.ts";
import { type FindModule, wantedModule } from "./plan-cases.ts";
import type { PlannedCase, PlannedFilter } from "./planned-case.ts";
import type { WorkerMessage } from "./worker-message.ts";

/** A filter to open, in the words of a test file. */
export interface OpenFilterOptions extends Omit<FilterSettings, "module"> {
  /** A compiled module or a project's folder, or the bytes; default: what `cwd` builds. */
  readonly module?: string | Uint8Array;
  /** Several filters in one chain instead. */
  readonly plugins?: readonly FilterSettings[];
  readonly profile?: ProfileName;
  readonly given?: Given;
  /** Callouts the filter makes while it starts. */
  readonly callouts?: readonly Callout[];
  readonly workers?: number;
  /** Where paths start; default the working directory. */
  readonly cwd?: string;
  /** Milliseconds one call into the filter may take; default 1000. */
  readonly timeoutMs?: number;
}

/** What goes with a request: the upstream's answer and the callouts that are expected, in order. */
export interface RequestSurroundings {
  readonly upstream?: Answer;
  readonly callouts?: readonly Callout[];
}

/** An open filter in virtual time. */
export interface OpenFilter {
  /**
   * Sends a request and gives what came of it. Rejects with `FILTER_TEST_FAILED` when the stream is never resumed or a callout
   * is not as announced, with `FILTER_STUCK` when the filter does not return.
   */
  request(request?: Request, surroundings?: RequestSurroundings): Promise<ExchangeResult>;
  /** Lets time pass; timers that fall due fire. */
  advance(time: Duration): Promise<void>;
  /** Anything else a step can do: `tick`, `enqueue`, `share`, `foreign`. */
  step(step: Omit<Step, "request" | "expect" | "upstream">): Promise<void>;
  /** Lines of the log so far. */
  readonly logs: readonly LogLine[];
  /** Metrics by name as they stand. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Shared data as it stands. */
  readonly shared: Readonly<Record<string, string>>;
  /** Ends it; needed, or the process waits. `await using` does it by itself. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a filter as `wasme test` does, in a thread of its own: for tests written in TypeScript. Throws `FILTER_NOT_STARTED`
 * when the module is refused or the configuration rejected, and what finding the module throws.
 */
export async function openFilter(options: OpenFilterOptions = {}): Promise<OpenFilter> {
  const { cwd = process.cwd(), timeoutMs = 1000 } = options;
  const { planned, modules } = await plan(options, libraryFinder(cwd), cwd);
  const worker = startGuestWorker({
    entry: workerEntry("./test-worker", import.meta.url),
    data: undefined,
    hardLimitMs: timeoutMs,
  });
  worker.post({ kind: "modules", modules } satisfies WorkerMessage);
  const session = new RemoteSession(worker);
  try {
    await session.ask({ kind: "open", planned });
  } catch (error) {
    await worker.stop();
    throw error;
  }
  return session;
}

async function plan(
  options: OpenFilterOptions,
  find: FindModule,
  cwd: string,
): Promise<{ readonly planned: PlannedCase; readonly modules: ReadonlyMap<string, Uint8Array> }> {
  const { profile = "envoy", given = {}, callouts, workers = 1 } = options;
  const modules = new Map<string, Uint8Array>();
  const filters: PlannedFilter[] = [];
  for (const { settings, bytes } of settingsOf(options)) {
    const found = bytes === undefined ? await find(await wantedModule(settings, cwd)) : { key: "", bytes, rootIds: [] };
    modules.set(found.key, found.bytes);
    filters.push({ settings, module: found.key, rootId: found.rootIds[0] ?? "" });
  }
  const test = { name: "", workers, ...(callouts === undefined ? {} : { callouts }) };
  const identity = { file: "", folder: cwd, line: undefined, name: "", index: 0 };
  return { planned: { ...identity, test, filters, profile, strict: false, strictBudgets: false, given }, modules };
}

function settingsOf(
  options: OpenFilterOptions,
): readonly { readonly settings: FilterSettings; readonly bytes?: Uint8Array }[] {
  if (options.plugins !== undefined) return options.plugins.map((settings) => ({ settings }));
  const { module, ...settings } = options;
  if (module instanceof Uint8Array) return [{ settings, bytes: module }];
  return [{ settings: module === undefined ? settings : { ...settings, module } }];
}

class RemoteSession implements OpenFilter {
  readonly #worker: GuestWorker;
  #state: SessionState = { logs: [], metrics: {}, shared: {}, time: "" };

  constructor(worker: GuestWorker) {
    this.#worker = worker;
  }

  get logs(): readonly LogLine[] {
    return this.#state.logs;
  }

  get metrics(): Readonly<Record<string, number>> {
    return this.#state.metrics;
  }

  get shared(): Readonly<Record<string, string>> {
    return this.#state.shared;
  }

  async request(request: Request = {}, surroundings: RequestSurroundings = {}): Promise<ExchangeResult> {
    const result = await this.ask({ kind: "step", step: { ...surroundings, request } });
    if (result === undefined) throw new Error("the thread gave no result");
    return result;
  }

  async advance(time: Duration): Promise<void> {
    await this.step({ advance: time });
  }

  async step(step: Step): Promise<void> {
    await this.ask({ kind: "step", step });
  }

  async close(): Promise<void> {
    await this.#worker.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async ask(message: WorkerMessage): Promise<ExchangeResult | undefined> {
    const answer = await this.#send(message);
    this.#state = answer.state;
    if (answer.ok) return answer.result;
    const details = { logs: answer.state.logs.map(({ level, text }) => `${level} ${text}`) };
    throw message.kind === "open"
      ? new WasmeError("failed", "FILTER_NOT_STARTED", answer.problem, { details })
      : new WasmeError("failed", "FILTER_TEST_FAILED", answer.problem, { details });
  }

  async #send(message: WorkerMessage): Promise<SessionAnswer> {
    try {
      return (await this.#worker.ask(message)) as SessionAnswer;
    } catch (error) {
      if (!(error instanceof WorkerGone)) throw error;
      if (error.end.reason === "stopped") throw usageError("FILTER_CLOSED", "the filter is closed already");
      throw new WasmeError("failed", "FILTER_STUCK", error.end.message, { cause: error });
    }
  }
}
