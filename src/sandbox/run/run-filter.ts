import { resolve } from "node:path";
import { WasmeError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { HARD_LIMIT_MS, type WorkerEnd } from "../../isolate/guest-worker.ts";
import { aborted } from "../../platform/abort.ts";
import { type ModuleSource, type ModuleSourceDeps, resolveModule } from "../module-source.ts";
import { AccessObserver, type AccessRecord } from "./access-observer.ts";
import { startListener } from "./listener.ts";
import { type FilterRequest, type LoadedFilter, loadFilter, parseProperties } from "./load-filter.ts";
import { openClusters, openUpstream } from "./open-upstream.ts";
import { Proxy } from "./proxy.ts";
import { reloadOnChange } from "./reload.ts";
import { type RunEngine, type SpareEngine, spareEngine } from "./run-engine.ts";
import type { RunLog } from "./run-log.ts";
import type { RunStart } from "./run-worker.ts";
import { openTape } from "./tape.ts";

/** What is to be run, and how. */
export interface RunFilterRequest extends FilterRequest {
  /** An image of the local store, a module file, or a project's folder. */
  readonly source: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** URL; the echo service without. */
  readonly upstream: string | undefined;
  /** `NAME=URL` each. */
  readonly clusters: readonly string[];
  /** Milliseconds from the end of a request until the end of its response; 0 waits for ever. */
  readonly timeoutMs: number;
  readonly watch: boolean;
  /** Test file that every exchange is written to. */
  readonly record: string | undefined;
  /** Writes the values of `authorization`, `cookie` and `set-cookie`, too. */
  readonly recordSecrets: boolean;
}

/** Milliseconds that requests under way have once the run is asked to end. */
const GRACE_MS = 10_000;

/**
 * Serves a filter behind a listener until the signal asks it to end. The filter runs in a thread of its own: one that
 * loops, traps or runs out of memory is reported and replaced, and the listener stays. Throws what finding, building and
 * loading the module throws, `FILTER_REJECTED`, `FILTER_NOT_STARTED` (failed), `ADDRESS_IN_USE`, and usage errors.
 */
export async function runFilter(
  deps: ModuleSourceDeps,
  request: RunFilterRequest,
  log: RunLog,
  events: EventSink,
): Promise<void> {
  const { upstream, address } = openUpstream(request.upstream);
  const clusters = openClusters(request.clusters);
  const properties = parseProperties(request.properties);
  const source = await resolveModule(deps, request.source, events);
  let loaded = await loadFilter(source, request, deps.cwd);
  const tape = await openTape(deps, { request, source, log });
  const newSpare = (): SpareEngine =>
    spareEngine({
      clusters,
      events: {
        log: (entry) => log({ type: "log", entry }),
        report: (report) => {
          if (report.code === "trap") tape?.trap(report.callback);
          log({ type: "report", report });
        },
        callout: (record) => {
          tape?.callout(record);
          log({ type: "callout", record });
        },
      },
      hardLimitMs: HARD_LIMIT_MS,
    });
  // Held ready under --watch, so that a change need not wait for the start of a thread.
  let spare: SpareEngine | undefined;
  const engineOf = ({ module, plugin }: LoadedFilter): RunEngine => {
    const ready = spare?.ended === false ? spare : newSpare();
    spare = undefined;
    return ready.begin({
      module,
      plugins: [plugin],
      profile: request.profile,
      logLevel: request.logLevel,
      clusters: [...clusters.http.keys()],
      properties,
      upstreamAddress: address,
    });
  };
  const engine = engineOf(loaded);
  let requests = 0;
  const proxy = new Proxy({
    upstream,
    timeoutMs: request.timeoutMs,
    observe: ({ protocol }) => {
      const onAccess = (record: AccessRecord): void => {
        requests += 1;
        log({ type: "access", record });
      };
      const onProblem = (message: string): void => log({ type: "warning", message });
      return tape?.observe(protocol, onAccess, onProblem) ?? new AccessObserver(protocol, onAccess, onProblem);
    },
    replace: () => engineOf(loaded),
    onEnd: (end, open) => log({ type: "warning", ...endOf(end, open) }),
    onBroken: (message) =>
      log({
        type: "warning",
        message: `the filter does not start any more, requests are answered 503: ${message}`,
        hint: "change it under --watch, or run again",
      }),
  });
  const stopAll = async (): Promise<void> => {
    await Promise.all([proxy.stop(), spare?.stop()]);
    for (const one of [upstream, ...clusters.http.values(), ...clusters.grpc.values()]) one.close();
  };
  try {
    const start = await engine.start;
    if (!start.started) {
      await engine.stop();
      throw notStarted(source, start);
    }
    proxy.use(engine);
    const listener = await startListener({
      ...request.listen,
      onRequest: (head, client) => proxy.accept(head, client),
    });
    const url = `http://${listener.address}`;
    const recordPath = request.record === undefined ? undefined : resolve(deps.cwd, request.record);
    const watch = request.watch
      ? await reloadOnChange({ source, request, cwd: deps.cwd, events, log, except: recordPath }, async (next) => {
          const fresh = engineOf(next);
          const result = await fresh.start;
          if (result.started) {
            loaded = next;
            proxy.use(fresh);
          } else await fresh.stop();
          spare ??= newSpare();
          return result;
        })
      : undefined;
    if (request.watch) spare = newSpare();
    log({
      type: "started",
      url,
      message: greeting(source, url, { upstream: upstream.name, watch: request.watch }),
      next: `curl -i ${url}`,
    });
    await aborted(deps.signal);
    watch?.close();
    await listener.close(GRACE_MS);
    await tape?.done();
    const counted = `${requests} request${requests === 1 ? "" : "s"}`;
    log({ type: "stopped", message: `Stopped after ${counted}`, requests });
  } finally {
    await stopAll();
  }
}

/** Why a filter does not serve. */
function notStarted({ name }: Pick<ModuleSource, "name">, start: RunStart): WasmeError {
  const { reason, message } = start.started ? { reason: "", message: "" } : start;
  const details = { reason };
  if (reason === "configure" || reason === "vm-start") {
    const option = reason === "configure" ? "--config" : "--vm-config";
    return new WasmeError("failed", "FILTER_REJECTED", `${name} rejects its configuration: ${message}`, {
      hint: `its log is above; give it another one with ${option}`,
      details,
    });
  }
  return new WasmeError("failed", "FILTER_NOT_STARTED", `${name} does not start: ${message}`, {
    hint: `wasme check ${name}`,
    details,
  });
}

function endOf({ message }: WorkerEnd, open: number): { readonly message: string; readonly hint: string } {
  const streams =
    open === 0 ? "" : open === 1 ? "; 1 request was answered 503" : `; ${open} requests were answered 503`;
  return { message: `${message}${streams}`, hint: "the filter was started anew" };
}

function greeting(
  { name }: ModuleSource,
  url: string,
  { upstream, watch }: { readonly upstream: string; readonly watch: boolean },
): string {
  return `Serving ${name} at ${url}, in front of ${upstream}${watch ? ", watching for changes" : ""} (Ctrl-C ends it)`;
}
