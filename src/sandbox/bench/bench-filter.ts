import { WasmeError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { requireFittingConfig } from "../../images/config-violations.ts";
import { loadModule } from "../../host/load-module.ts";
import { ModuleRefused } from "../../host/module-refused.ts";
import { startGuestWorker, WorkerGone } from "../../isolate/guest-worker.ts";
import { workerEntry } from "../../isolate/worker-entry.ts";
import { type ModuleSource, type ModuleSourceDeps, resolveModule } from "../module-source.ts";
import type { BenchWorkerReply, BenchWorkerRequest, BenchWorkerResult } from "./bench-worker.ts";
import type { CrowdSize } from "./crowd.ts";
import type { StreamShape } from "./stream-shape.ts";

/** What to measure. */
export interface BenchRequest {
  /** Image reference, module file or project folder. */
  readonly source: string;
  /** Another one to compare with, in the same configuration. */
  readonly against: string | undefined;
  readonly rootId: string | undefined;
  readonly config: string | undefined;
  /** False: the configuration is handed over whatever its schema says. */
  readonly check: boolean;
  readonly vmConfig: string | undefined;
  readonly shape: StreamShape;
  /** Streams through each filter. */
  readonly streams: number;
  /** Streams that stay open beside them. */
  readonly crowd?: CrowdSize | undefined;
}

/** The figures, and what they are of. Times of `warm` in microseconds. */
export interface BenchResult extends BenchWorkerResult {
  readonly filter: BenchedSource;
  readonly against: BenchedSource | undefined;
}

/** One of the measured modules. */
export interface BenchedSource {
  readonly name: string;
  readonly digest: string;
  /** Bytes of the module. */
  readonly size: number;
}

/**
 * Measures what a filter costs in the embedded host, in a thread of its own. Throws what finding the module throws,
 * `HOST_MODULE_REFUSED` (incompatible), `CONFIG_UNFIT` (usage) and `BENCH_FAILED` (failed): it does not start, traps, or does not return.
 */
export async function benchFilter(
  deps: ModuleSourceDeps,
  request: BenchRequest,
  events: EventSink,
): Promise<BenchResult> {
  const filter = await loadable(deps, request.source, events);
  const against = request.against === undefined ? undefined : await loadable(deps, request.against, events);
  for (const source of request.check ? [filter, against] : []) {
    if (source !== undefined) await requireFittingConfig(source.schema, request.config, source.name);
  }
  const moduleOf = ({ bytes, rootIds }: ModuleSource): BenchWorkerRequest["filter"] => ({
    bytes,
    settings: {
      rootId: request.rootId ?? rootIds[0],
      configuration: request.config,
      vmConfiguration: request.vmConfig,
    },
  });
  const measured = await measureInThread(deps.signal, {
    filter: moduleOf(filter),
    against: against === undefined ? undefined : moduleOf(against),
    shape: request.shape,
    streams: request.streams,
    crowd: request.crowd,
  });
  return { filter: nameOf(filter), against: against === undefined ? undefined : nameOf(against), ...measured };
}

function nameOf({ name, digest, bytes }: ModuleSource): BenchedSource {
  return { name, digest, size: bytes.length };
}

/** Refuses here, naming the source, what the thread could not load. */
async function loadable(deps: ModuleSourceDeps, source: string, events: EventSink): Promise<ModuleSource> {
  const found = await resolveModule(deps, source, events);
  try {
    loadModule(found.bytes);
  } catch (error) {
    if (!(error instanceof ModuleRefused)) throw error;
    throw new WasmeError("incompatible", error.code, `${source} does not load: ${error.message}`, {
      hint: `wasme check ${source}`,
      cause: error,
    });
  }
  return found;
}

async function measureInThread(signal: AbortSignal, request: BenchWorkerRequest): Promise<BenchWorkerResult> {
  const worker = startGuestWorker({
    entry: workerEntry("./bench-worker", import.meta.url),
    data: undefined,
    answerLimitMs: LONGEST_BENCH_MS,
  });
  const stop = (): void => void worker.stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    const reply = (await worker.ask(request)) as BenchWorkerReply;
    if ("failed" in reply) throw failure(reply.failed);
    return reply;
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof WorkerGone ? failure(error.message) : error;
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.stop();
  }
}

function failure(message: string): WasmeError {
  return new WasmeError("failed", "BENCH_FAILED", message, {
    hint: "give it the configuration it needs with --config, or see what it logs: wasme run",
  });
}

/** An hour: how many streams are measured is the user's word. */
const LONGEST_BENCH_MS = 3_600_000;
