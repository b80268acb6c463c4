import { digestOf } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { examineImage } from "../deploy/check-image.ts";
import type { DeployRequest } from "../deploy/request.ts";

/** What running a module with a configuration showed: nothing wrong, or what a person has to change. */
export type Verdict = { readonly ok: true } | { readonly ok: false; readonly error: WasmeError };

/** What is verified. */
export interface FilterToVerify {
  readonly image: ResolvedImage;
  readonly request: DeployRequest;
  readonly readModule: () => Promise<Uint8Array>;
}

/** Verdicts by module and configuration: the same module with the same configuration is run once. */
export class Verifier {
  readonly #verdicts = new Map<string, Promise<Verdict>>();
  readonly #waiting: (() => void)[] = [];
  readonly #onRun: (ok: boolean, ms: number) => void;
  readonly #elapsed: () => number;
  #free: number;

  /** `most`: modules run at once, each in a worker of its own. */
  constructor(options: {
    readonly most: number;
    readonly elapsed: () => number;
    readonly onRun?: (ok: boolean, ms: number) => void;
  }) {
    this.#free = options.most;
    this.#elapsed = options.elapsed;
    this.#onRun = options.onRun ?? (() => undefined);
  }

  /** Whether the filter was found good before, by somebody who remembers {@link verdictKey}. */
  trust(key: string): void {
    if (!this.#verdicts.has(key)) this.#keep(key, Promise.resolve({ ok: true }));
  }

  /**
   * Looks at the image and runs its module with the very configuration, within the limits of time and memory of
   * `tryFilter`. Throws what is no verdict: a registry that does not answer.
   */
  async verify(filter: FilterToVerify, events: EventSink, signal?: AbortSignal): Promise<Verdict> {
    const key = verdictKey(filter);
    const known = this.#verdicts.get(key);
    if (known !== undefined) return await known;
    const running = this.#run(filter, events, signal);
    this.#keep(key, running);
    running.catch(() => this.#verdicts.delete(key));
    return await running;
  }

  async #run(filter: FilterToVerify, events: EventSink, signal: AbortSignal | undefined): Promise<Verdict> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const since = this.#elapsed();
    let ok = false;
    try {
      signal?.throwIfAborted();
      // What stops us from reading the module says nothing about the filter.
      const module = await filter.readModule();
      const verdict = await judge(filter, module, { events, signal });
      ok = verdict.ok;
      return verdict;
    } finally {
      this.#onRun(ok, this.#elapsed() - since);
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #keep(key: string, verdict: Promise<Verdict>): void {
    this.#verdicts.set(key, verdict);
    for (const oldest of this.#verdicts.keys()) {
      if (this.#verdicts.size <= MOST_VERDICTS) break;
      this.#verdicts.delete(oldest);
    }
  }
}

async function judge(
  { image, request }: Pick<FilterToVerify, "image" | "request">,
  module: Uint8Array,
  how: { readonly events: EventSink; readonly signal: AbortSignal | undefined },
): Promise<Verdict> {
  const { tryFilter } = await import("../deploy/try-filter.ts");
  const { events, signal } = how;
  try {
    const { rootId } = examineImage(image, request);
    await tryFilter({ readModule: () => Promise.resolve(module), signal }, { image, rootId, request }, events);
    return { ok: true };
  } catch (error) {
    if (error instanceof WasmeError && FINAL.has(error.kind)) return { ok: false, error };
    throw error;
  }
}

/** Names all that a verdict depends on. */
export function verdictKey({ image, request }: Pick<FilterToVerify, "image" | "request">): string {
  const { moduleDigest, configSchema = "", runtimeConfig = null } = image;
  const about = [moduleDigest, configSchema, runtimeConfig, request.rootId ?? null, request.config ?? null];
  return digestOf(JSON.stringify(about));
}

/** Kinds of errors that are about the filter itself: they stay until somebody changes it. */
const FINAL: ReadonlySet<string> = new Set(["incompatible", "usage", "build-failed"]);
/** About 100 bytes each. */
const MOST_VERDICTS = 20_000;
