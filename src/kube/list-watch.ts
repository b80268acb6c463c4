import { WasmeError } from "../domain/errors.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { KubeObject } from "./objects.ts";
import type { KubePort, Selection, WatchEvent } from "./port.ts";

/** What list and watch tell, in order. */
export type ListWatchStep =
  /** A list begins: what was known is known no more once it is whole. */
  | { readonly type: "listing" }
  | { readonly type: "page"; readonly items: readonly KubeObject[] }
  /** The list is whole. */
  | { readonly type: "listed"; readonly resourceVersion: string }
  /** A watch got through: the server answers. */
  | { readonly type: "change"; readonly event: WatchEvent }
  /** It did not get through; it is tried again after a pause unless the caller leaves its loop. */
  | { readonly type: "failed"; readonly error: unknown; readonly inARow: number };

/** What {@link listWatch} needs. */
export interface ListWatchDeps {
  readonly port: Pick<KubePort, "pages" | "watch">;
  readonly clock: SteadyClock;
  /** Told when the server has accepted a watch. */
  readonly onWatching?: () => void;
}

/** The first pause after a failure, doubled with each up to the longest. Milliseconds. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** So many watches in a row may be refused before the objects are listed again. */
const MAX_WATCHES = 5;
/** A watch that ends so soon and brought nothing counts as a failure: its server must not be hammered. */
const SHORT_WATCH_MS = 1000;

/**
 * A paged list, then watches from its version, for ever. A watch that the server ends is begun again at once; after a
 * failure there is a pause, random around 250 ms that double up to 30 s; a version the server has forgotten (410, as
 * answer or event) leads to a new list. Ends only with the caller's loop or an abort, whose reason it throws.
 */
export async function* listWatch(
  deps: ListWatchDeps,
  selection: Selection,
  signal?: AbortSignal,
): AsyncGenerator<ListWatchStep, never> {
  const failures = { inARow: 0 };
  let version: string | undefined;
  for (;;) {
    try {
      version ??= yield* listOnce(deps.port, selection, signal);
      version = yield* watchOnce(deps, { selection, from: version, failures }, signal);
    } catch (error) {
      signal?.throwIfAborted();
      failures.inARow += 1;
      const reason = error instanceof WatchBroke ? error.cause : error;
      version = error instanceof WatchBroke && mayGoOn(reason, failures.inARow) ? error.version : undefined;
      if (!isGone(reason) || failures.inARow > 1) yield { type: "failed", error: reason, inARow: failures.inARow };
      await deps.clock.sleep(pause(failures.inARow), signal);
    }
  }
}

async function* listOnce(
  port: Pick<KubePort, "pages">,
  selection: Selection,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListWatchStep, string> {
  yield { type: "listing" };
  let resourceVersion = "";
  for await (const page of port.pages(selection, signal)) {
    ({ resourceVersion } = page);
    yield { type: "page", items: page.items };
  }
  yield { type: "listed", resourceVersion };
  return resourceVersion;
}

/** A watch that did not end well, and the version to go on from. */
class WatchBroke extends Error {
  override readonly name: string = "WatchBroke";
  readonly version: string;

  constructor(cause: unknown, version: string) {
    super("the watch broke", { cause });
    this.version = version;
  }
}

/** One watch; gives the version to go on from. */
async function* watchOnce(
  deps: ListWatchDeps,
  from: { readonly selection: Selection; readonly from: string; readonly failures: { inARow: number } },
  signal: AbortSignal | undefined,
): AsyncGenerator<ListWatchStep, string> {
  const since = deps.clock.elapsed();
  let version = from.from;
  let told = false;
  try {
    for await (const event of deps.port.watch(from.selection, version, signal, deps.onWatching)) {
      version = event.object.metadata.resourceVersion ?? version;
      told = true;
      from.failures.inARow = 0;
      yield { type: "change", event };
    }
  } catch (error) {
    throw new WatchBroke(error, version);
  }
  if (told || deps.clock.elapsed() - since >= SHORT_WATCH_MS) from.failures.inARow = 0;
  else {
    from.failures.inARow += 1;
    await deps.clock.sleep(pause(from.failures.inARow), signal);
  }
  return version;
}

/**
 * Whether another watch from the same version makes sense. A server restored from a backup does not say that the
 * version is gone, it answers "too large"; and where only watching is forbidden, lists are better than nothing.
 */
function mayGoOn(error: unknown, inARow: number): boolean {
  if (isGone(error)) return false;
  return inARow < MAX_WATCHES || (error instanceof WasmeError && error.code === "KUBE_UNREACHABLE");
}

function isGone(error: unknown): boolean {
  return error instanceof WasmeError && error.code === "KUBE_GONE";
}

/** Between half of the pause and one and a half. */
function pause(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20), LONGEST_PAUSE_MS) * (0.5 + Math.random());
}
