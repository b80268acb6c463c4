import { digestOf } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { formatReference } from "../domain/image-reference.ts";
import { isObject } from "../domain/json.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { examineImage } from "../deploy/check-image.ts";
import type { DeployRequest } from "../deploy/request.ts";
import type { SmokeLimits } from "../images/smoke-module.ts";
import type { SpareThread } from "../isolate/spare-thread.ts";
import { withMemoryLimit } from "../wasm/limit-memory.ts";
import { Slots } from "./slots.ts";

/** What running a module with a configuration showed: nothing wrong, or what a person has to change. */
export type Verdict = { readonly ok: true } | { readonly ok: false; readonly error: WasmeError };

/** What is verified. */
export interface FilterToVerify {
  readonly image: ResolvedImage;
  readonly request: DeployRequest;
  readonly readModule: (signal: AbortSignal) => Promise<Uint8Array>;
}

/** How modules are verified. */
export interface VerifierOptions {
  /** Modules run at once, each in a thread of its own. */
  readonly most: number;
  /** Bytes of the largest module that is run; a larger one is refused. */
  readonly largest: number;
  /** A steady clock's milliseconds. */
  readonly elapsed: () => number;
  /** Distinguishes verdicts of another release: that one may look for other things. */
  readonly version: string;
  readonly onRun?: (ok: boolean, ms: number) => void;
  /** Where trials get their threads, of {@link TRIAL_HEAP_MEGABYTES}; absent: each starts one. */
  readonly spare?: Pick<SpareThread, "prepare" | "take">;
  /** Looks at one filter; absent: the real thing. */
  readonly judge?: Judge;
}

/** Finds out whether a filter runs. Throws what is no verdict. */
export type Judge = (
  filter: Pick<FilterToVerify, "image" | "request">,
  module: Uint8Array,
  how: { readonly events: EventSink; readonly signal: AbortSignal | undefined; readonly limits: SmokeLimits },
) => Promise<Verdict>;

interface Kept {
  readonly verdict: Promise<Verdict>;
  /** When it is to be found out anew; absent: never. */
  until?: number;
}

/** Mebibytes of JavaScript heap that the thread of a trial has. */
export const TRIAL_HEAP_MEGABYTES = 64;

/** Verdicts by module and configuration: the same module with the same configuration is run once. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #verdicts = new Map<string, Kept>();
  readonly #reads = new Slots(READS_AT_ONCE);
  readonly #large = new Slots(1);
  readonly #trials: Slots;
  #quiet: NodeJS.Timeout | undefined;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#trials = new Slots(options.most);
  }

  /** Names all that a verdict depends on. */
  keyOf({ image, request }: Pick<FilterToVerify, "image" | "request">): string {
    const { moduleDigest, format, configSchema = "", runtimeConfig = null } = image;
    const about = [moduleDigest, format, configSchema, runtimeConfig, request.rootId ?? null, request.config ?? null];
    return digestOf(JSON.stringify([this.#options.version, ...about]));
  }

  /** The filter was found good before, by somebody who remembers {@link keyOf}. */
  trust(key: string): void {
    if (!this.#verdicts.has(key)) this.#keep(key, { verdict: Promise.resolve({ ok: true }) });
  }

  /**
   * Looks at the image and runs its module with the very configuration, within limits of time and memory. A module that
   * hung or ended its thread is run once more, with nothing beside it and more time, and is refused for some minutes only:
   * it may have been this machine. Throws what is no verdict: a registry that does not answer.
   */
  async verify(filter: FilterToVerify, events: EventSink, signal?: AbortSignal): Promise<Verdict> {
    const tooLarge = this.#tooLarge(filter.image);
    if (tooLarge !== undefined) return { ok: false, error: tooLarge };
    const key = this.keyOf(filter);
    const known = this.#verdicts.get(key);
    if (known !== undefined && this.#options.elapsed() < (known.until ?? Number.POSITIVE_INFINITY)) {
      return await known.verdict;
    }
    const kept: Kept = { verdict: this.#run(filter, events, signal) };
    this.#keep(key, kept);
    try {
      const verdict = await kept.verdict;
      if (isOfTheMoment(verdict)) kept.until = this.#options.elapsed() + MOMENT_MS;
      return verdict;
    } catch (error) {
      if (this.#verdicts.get(key) === kept) this.#verdicts.delete(key);
      throw error;
    }
  }

  /** The bytes come first: a registry that is slow holds up no trial. Large modules are held in memory one at a time. */
  async #run(filter: FilterToVerify, events: EventSink, signal: AbortSignal | undefined): Promise<Verdict> {
    const isLarge = filter.image.moduleSize > LARGE;
    const done = await (isLarge ? this.#large : this.#reads).take({ signal });
    try {
      // Where no thread is ready, one starts while the module is read.
      if (!isLarge) this.#prepare();
      const module = await readInTime(filter, signal);
      const first = await this.#try(filter, module, { alone: isLarge, events, signal });
      if (!isOfTheMoment(first)) return first;
      return await this.#try(filter, module, { alone: true, again: true, events, signal });
    } finally {
      done();
    }
  }

  async #try(
    filter: FilterToVerify,
    module: Uint8Array,
    how: {
      readonly alone: boolean;
      readonly again?: boolean;
      readonly events: EventSink;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<Verdict> {
    const { elapsed, onRun, spare, judge = judgeFilter } = this.#options;
    const { alone, events, signal, again = false } = how;
    const done = await this.#trials.take({ alone, signal });
    const since = elapsed();
    let ok = false;
    try {
      const limits = { ...limitsFor(module, again), ...(spare === undefined ? {} : { spare }) };
      const verdict = await judge(filter, module, { events, signal, limits });
      ok = verdict.ok;
      return verdict;
    } finally {
      onRun?.(ok, elapsed() - since);
      done();
      this.#prepareNext();
    }
  }

  /** The thread of the next trial, out of the way of what the last one was for. */
  #prepareNext(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#prepare(), QUIET_MS).unref();
  }

  /** A thread that starts takes time and memory that a trial under way would be blamed for. */
  #prepare(): void {
    if (this.#trials.isIdle) this.#options.spare?.prepare();
  }

  #tooLarge({ reference, moduleSize }: ResolvedImage): WasmeError | undefined {
    const { largest } = this.#options;
    if (moduleSize <= largest) return undefined;
    const message = `the module of ${formatReference(reference)} has ${moduleSize} bytes, and modules of up to ${largest} bytes are tried here`;
    return new WasmeError("incompatible", "MODULE_TOO_LARGE", message, {
      hint: "strip it and optimise for size, or give the operator a larger --max-module, and more memory",
    });
  }

  #keep(key: string, kept: Kept): void {
    this.#verdicts.delete(key);
    this.#verdicts.set(key, kept);
    for (const oldest of this.#verdicts.keys()) {
      if (this.#verdicts.size <= MOST_VERDICTS) break;
      this.#verdicts.delete(oldest);
    }
  }
}

const judgeFilter: Judge = async ({ image, request }, module, { events, signal, limits }) => {
  const { tryFilter } = await import("../deploy/try-filter.ts");
  try {
    const { rootId } = examineImage(image, request);
    const limited = withMemoryLimit(module, GUEST_MEGABYTES * PAGES_PER_MEBIBYTE);
    if (limited === undefined) return { ok: false, error: tooMuchMemory(image) };
    await tryFilter({ readModule: () => Promise.resolve(limited), signal, limits }, { image, rootId, request }, events);
    return { ok: true };
  } catch (error) {
    if (error instanceof WasmeError && FINAL.has(error.kind)) return { ok: false, error };
    throw error;
  }
};

async function readInTime({ image, readModule }: FilterToVerify, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const limit = AbortSignal.timeout(READ_MS);
  try {
    return await readModule(signal === undefined ? limit : AbortSignal.any([signal, limit]));
  } catch (error) {
    signal?.throwIfAborted();
    if (!limit.aborted) throw error;
    const message = `${image.reference.host} did not give the module within ${READ_MS / 1000} s`;
    throw new WasmeError("unreachable", "REGISTRY_UNREACHABLE", message, { cause: error });
  }
}

function tooMuchMemory({ reference }: ResolvedImage): WasmeError {
  const message = `the module of ${formatReference(reference)} declares more than ${GUEST_MEGABYTES} MiB of memory to begin with`;
  return new WasmeError("incompatible", "FILTER_UNFIT", message, { hint: "build it with less initial memory" });
}

/** The module is in memory several times: here, in its thread, in the engine, and as code. */
function limitsFor(module: Uint8Array, again: boolean): SmokeLimits {
  const copies = Math.ceil((5 * module.byteLength) / 2 ** 20);
  const limits = { heapMegabytes: TRIAL_HEAP_MEGABYTES, memoryMegabytes: GUEST_MEGABYTES + 64 + copies };
  return again ? { ...limits, hardLimitMs: PATIENT_MS } : limits;
}

/** Time and memory are those of the whole process: another filter's, or ours, may have been held against this one. */
function isOfTheMoment(verdict: Verdict): boolean {
  if (verdict.ok) return false;
  const { findings } = verdict.error.details ?? {};
  return Array.isArray(findings) && findings.some((finding) => isObject(finding) && finding["code"] === "FILTER_STUCK");
}

/** Mebibytes of memory a guest may have. */
const GUEST_MEGABYTES = 128;
const PAGES_PER_MEBIBYTE = 16;
/** Kinds of errors that are about the filter itself: they stay until somebody changes it. */
const FINAL: ReadonlySet<string> = new Set(["incompatible", "usage", "build-failed"]);
/** About 100 bytes each. */
const MOST_VERDICTS = 20_000;
/** Bytes above which a module is read and run with no other beside it. */
const LARGE = 8 * 2 ** 20;
const READS_AT_ONCE = 8;
/** Milliseconds for reading a module. */
const READ_MS = 60_000;
/** Milliseconds of a call into a guest at the second try. */
const PATIENT_MS = 3000;
/** Milliseconds after a trial, in which its filter is on its way and the next trial may begin. */
const QUIET_MS = 200;
/** Milliseconds for which a refusal counts that this machine may be the cause of. */
const MOMENT_MS = 10 * 60_000;
