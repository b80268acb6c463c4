import { setTimeout as delay } from "node:timers/promises";
import { resolve } from "node:path";
import { durationText } from "../../domain/duration.ts";
import { WasmeError, messageOf } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import type { ModuleSource } from "../module-source.ts";
import { type FilterRequest, type LoadedFilter, loadFilter } from "./load-filter.ts";
import type { RunLog } from "./run-log.ts";
import type { RunStart } from "./run-worker.ts";
import { type SourceWatch, watchSource } from "./watch-source.ts";

/** What is watched. */
export interface ReloadSetting {
  readonly source: ModuleSource;
  readonly request: FilterRequest;
  readonly cwd: string;
  readonly events: EventSink;
  readonly log: RunLog;
  /** Absolute path of what the run itself writes; it may lie in the project. */
  readonly except: string | undefined;
}

/** Milliseconds after which a file that could not be loaded is looked at again: it may have been half-written. */
const SECOND_LOOK_MS = 150;

/**
 * Follows the source of a filter, and the files of its configuration: what changed is built, loaded and handed to
 * `serve`, which starts it and puts it in the place of the old one. What fails leaves the old one serving, and is told.
 */
export async function reloadOnChange(
  setting: ReloadSetting,
  serve: (loaded: LoadedFilter) => Promise<RunStart>,
): Promise<SourceWatch> {
  const { source, request, cwd, log, except } = setting;
  const files = [request.config, request.vmConfig].flatMap((value) =>
    value?.startsWith("@") === true ? [resolve(cwd, value.slice(1))] : [],
  );
  const paths = [...(source.path === undefined ? [] : [source.path]), ...files];
  if (paths.length === 0) {
    log({ type: "warning", message: `${source.name} is an image, which never changes: there is nothing to watch` });
  }
  let serving = source;
  let due: number | undefined;
  let working = false;
  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    for (let savedAt = due; savedAt !== undefined; savedAt = due) {
      due = undefined;
      serving = await reload({ ...setting, source: serving, savedAt }, serve);
    }
    working = false;
  };
  return await watchSource({ paths, except }, (savedAt) => {
    due = savedAt;
    void work();
  });
}

interface Reload extends ReloadSetting {
  readonly savedAt: number;
}

/** The source that serves afterwards. */
async function reload(setting: Reload, serve: (loaded: LoadedFilter) => Promise<RunStart>): Promise<ModuleSource> {
  const { source, log, savedAt } = setting;
  const began = performance.now();
  try {
    const { next, loaded } = await load(setting);
    const start = await serve(loaded);
    if (!start.started) throw new Error(rejected(start));
    const compileMs = Math.round(next.compileMs);
    const savedToServedMs = Math.round(performance.now() - savedAt - next.compileMs);
    const compiled = compileMs === 0 ? "" : `, and ${durationText(compileMs)} to compile`;
    const message = `Serving the new ${next.name}: ${durationText(savedToServedMs)} from saved to served${compiled}`;
    log({ type: "swapped", message, savedToServedMs, compileMs });
    return next;
  } catch (error) {
    const hint = error instanceof WasmeError ? error.hint : undefined;
    const took = durationText(Math.round(performance.now() - began));
    log({
      type: "warning",
      message: `the change is not served, the old filter stays: ${messageOf(error)} (${took})`,
      ...(hint === undefined ? {} : { hint }),
    });
    return source;
  }
}

async function load(setting: Reload): Promise<{ readonly next: ModuleSource; readonly loaded: LoadedFilter }> {
  const { source, request, cwd, events } = setting;
  const next = (await source.rebuild?.(events)) ?? source;
  try {
    return { next, loaded: await loadFilter(next, request, cwd) };
  } catch (error) {
    if (next.kind !== "file") throw error;
    await delay(SECOND_LOOK_MS);
    const again = (await next.rebuild?.(events)) ?? next;
    if (again.digest === next.digest) throw error;
    return { next: again, loaded: await loadFilter(again, request, cwd) };
  }
}

function rejected(start: RunStart): string {
  if (start.started) return "";
  const configured = start.reason === "configure" || start.reason === "vm-start";
  return `${configured ? "it rejects its configuration" : "it does not start"}: ${start.message}`;
}
