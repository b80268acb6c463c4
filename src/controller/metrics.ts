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
  const observe = createObservers({ counter, gauge, histogram });
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

function createObservers({
  counter,
  gauge,
  histogram,
}: Pick<Metrics, "counter" | "gauge" | "histogram">): Metrics["observe"] {
  const byController = ["controller"] as const;
  const byName = ["name"] as const;
  const total = counter("controller_runtime_reconcile_total", "Reconciles by result.", ["controller", "result"]);
  const errors = counter("controller_runtime_reconcile_errors_total", "Failed reconciles.", byController);
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
  return (controller, workers = 1) => {
    const name = controller;
    most.set({ controller }, workers);
    active.set({ controller }, 0);
    depth.set({ name }, 0);
    errors.inc({ controller }, 0);
    panics.inc({ controller }, 0);
    for (const result of ["success", "error", "requeue_after", "requeue"]) total.inc({ controller, result }, 0);
    return {
      queue: {
        depth: (keys) => depth.set({ name }, keys),
        added: () => adds.inc({ name }),
        retried: () => retries.inc({ name }),
        taken: (ms) => queued.observe({ name }, ms / 1000),
        done: (ms) => worked.observe({ name }, ms / 1000),
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

const RECONCILE_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
/** Tenfold steps from ten nanoseconds to a quarter of an hour. */
const QUEUE_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000];
