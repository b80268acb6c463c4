import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ControllerObserver } from "./controller.ts";

/** The metrics of a program, in controller-runtime's and client-go's words so that stock dashboards work. */
export interface Metrics {
  /** prom-client's, for metrics of one's own: {@link Metrics.counter} and its like register there. */
  readonly registry: Registry;
  /** Metrics of one controller and its queue. */
  observe(controller: string, workers?: number): ControllerObserver;
  /** `leader_election_master_status{name}`. */
  leads(lease: string, leads: boolean): void;
  /** `rest_client_requests_total{code,method,host}`: the `onAnswer` of a connection. */
  readonly onAnswer: (answer: { readonly method: string; readonly code: string; readonly host: string }) => void;
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** Bounds in the unit that ends the name. */
  histogram<L extends string>(name: string, help: string, options: HistogramOptions<L>): Histogram<L>;
  /** The text a scraper reads. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Labels and bounds of a histogram. */
export interface HistogramOptions<L extends string> {
  readonly labels?: readonly L[];
  readonly buckets: readonly number[];
}

/** Loads prom-client; also the process's own metrics (`process_*`, `nodejs_*`). */
export async function createMetrics(): Promise<Metrics> {
  const {
    collectDefaultMetrics,
    Counter: C,
    Gauge: G,
    Histogram: H,
    Registry: R,
  } = (await import("prom-client")).default;
  const registry = new R();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const counter: Metrics["counter"] = (name, help, labels = []) =>
    new C({ name, help, labelNames: [...labels], registers });
  const gauge: Metrics["gauge"] = (name, help, labels = []) =>
    new G({ name, help, labelNames: [...labels], registers });
  const histogram: Metrics["histogram"] = (name, help, { labels = [], buckets }) =>
    new H({ name, help, labelNames: [...labels], buckets: [...buckets], registers });
  const requests = counter("rest_client_requests_total", "Requests to the API server.", ["code", "method", "host"]);
  const leader = gauge("leader_election_master_status", "1 for who leads.", ["name"]);
  const measured: Make["measured"] = (name, help, read) =>
    void new G({
      name,
      help,
      labelNames: ["name"],
      registers,
      collect() {
        for (const [label, value] of read()) this.set({ name: label }, value);
      },
    });
  const observe = createObservers({ counter, gauge, histogram, measured });
  return {
    registry,
    observe,
    leads: (name, leads) => leader.set({ name }, leads ? 1 : 0),
    onAnswer: (answer) => requests.inc(answer),
    counter,
    gauge,
    histogram,
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

interface Make extends Pick<Metrics, "counter" | "gauge" | "histogram"> {
  /** A gauge whose values, by name, are read when somebody scrapes. */
  readonly measured: (name: string, help: string, read: () => Iterable<readonly [string, number]>) => void;
}

function createObservers({ counter, gauge, histogram, measured }: Make): Metrics["observe"] {
  const byController = ["controller"] as const;
  const byName = ["name"] as const;
  const total = counter("controller_runtime_reconcile_total", "Reconciles by result.", ["controller", "result"]);
  const errors = counter("controller_runtime_reconcile_errors_total", "Failed reconciles.", byController);
  const terminal = counter("controller_runtime_terminal_reconcile_errors_total", "Failures for good.", byController);
  const panics = counter("controller_runtime_reconcile_panics_total", "Reconciles that broke by a bug.", byController);
  const time = histogram("controller_runtime_reconcile_time_seconds", "Time of a reconcile.", {
    labels: byController,
    buckets: RECONCILE_SECONDS,
  });
  const most = gauge("controller_runtime_max_concurrent_reconciles", "Workers.", byController);
  const active = gauge("controller_runtime_active_workers", "Workers with a key.", byController);
  const depth = gauge("workqueue_depth", "Keys that could be worked on.", byName);
  const adds = counter("workqueue_adds_total", "Adds to the queue.", byName);
  const retries = counter("workqueue_retries_total", "Adds to the queue after a failure.", byName);
  const queued = histogram("workqueue_queue_duration_seconds", "Time a key waited.", {
    labels: byName,
    buckets: QUEUE_SECONDS,
  });
  const worked = histogram("workqueue_work_duration_seconds", "Time a key was in work.", {
    labels: byName,
    buckets: QUEUE_SECONDS,
  });
  const unfinished = observeUnfinished(measured);
  return (controller, workers = 1) => {
    const name = controller;
    const running = unfinished(name);
    most.set({ controller }, workers);
    active.set({ controller }, 0);
    depth.set({ name }, 0);
    errors.inc({ controller }, 0);
    panics.inc({ controller }, 0);
    terminal.inc({ controller }, 0);
    for (const result of ["success", "error", "requeue_after", "requeue"]) total.inc({ controller, result }, 0);
    return {
      queue: {
        depth: (keys) => depth.set({ name }, keys),
        added: () => adds.inc({ name }),
        retried: () => retries.inc({ name }),
        taken: (ms, key) => {
          running.set(key, performance.now());
          queued.observe({ name }, ms / 1000);
        },
        done: (ms, key) => {
          running.delete(key);
          worked.observe({ name }, ms / 1000);
        },
      },
      reconcile: {
        started: () => active.inc({ controller }),
        ended: (result, ms, bug) => {
          active.dec({ controller });
          total.inc({ controller, result });
          time.observe({ controller }, ms / 1000);
          if (result === "error") errors.inc({ controller });
          if (bug) panics.inc({ controller });
        },
      },
    };
  };
}

/** What tells of workers that do not come back: each queue's keys in work, with the time they were taken at. */
function observeUnfinished(measured: Make["measured"]): (name: string) => Map<string, number> {
  const queues = new Map<string, Map<string, number>>();
  const seconds = (combine: (...values: readonly number[]) => number) => (): Iterable<readonly [string, number]> =>
    [...queues].map(([name, running]) => {
      const now = performance.now();
      return [name, combine(0, ...[...running.values()].map((since) => (now - since) / 1000))] as const;
    });
  const sum = (...values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  measured("workqueue_unfinished_work_seconds", "Seconds all keys in work have been in work.", seconds(sum));
  measured(
    "workqueue_longest_running_processor_seconds",
    "Seconds the key longest in work has been in work.",
    seconds(Math.max),
  );
  return (name) => {
    const running = new Map<string, number>();
    queues.set(name, running);
    return running;
  };
}

const RECONCILE_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
/** Tenfold steps from ten nanoseconds to a quarter of an hour. */
const QUEUE_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000];
