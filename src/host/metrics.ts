import { textOf } from "./byte-string.ts";
import { MetricType } from "./enums.ts";
import { Status } from "./status.ts";

/** The kinds of metric, each at the place of its number (`proxy_metric_type_t`). */
export const METRIC_TYPES = ["counter", "gauge", "histogram"] as const;

/** A kind of {@link METRIC_TYPES}. */
export type MetricTypeName = (typeof METRIC_TYPES)[number];

/** A metric as it stands. Names are as the filter wrote them; Envoy shows them with `wasmcustom.` before. */
export type MetricReading =
  | { readonly name: string; readonly type: "counter" | "gauge"; readonly value: bigint }
  /** `value` holds the newest samples, at most {@link SAMPLES_KEPT}; `count` and `sum` are of all. */
  | {
      readonly name: string;
      readonly type: "histogram";
      readonly value: readonly bigint[];
      readonly count: number;
      readonly sum: bigint;
    };

/** How many samples of a histogram are kept. */
export const SAMPLES_KEPT = 4096;

/** The metrics of all filters of a host, by kind and name. */
export class MetricStore {
  readonly #metrics: readonly Map<string, Metric>[] = METRIC_TYPES.map(() => new Map<string, Metric>());

  /** The metric of this kind (a place in {@link METRIC_TYPES}) and name (a string of bytes), made when there is none. */
  metric(type: number, name: string): Metric {
    const metrics = this.#metrics[type] ?? new Map<string, Metric>();
    const found = metrics.get(name) ?? { value: 0n, count: 0, samples: [] };
    metrics.set(name, found);
    return found;
  }

  /** Everything defined so far: counters, gauges, histograms, each in the order they were defined. */
  list(): MetricReading[] {
    return this.#metrics.flatMap((metrics, type) =>
      Array.from(metrics, ([name, metric]) => reading(METRIC_TYPES[type] ?? "counter", textOf(name), metric)),
    );
  }

  /** The value of a counter or gauge by its name, 0 when there is none. */
  value(name: string): bigint {
    const found = this.list().find((each) => each.name === name && each.type !== "histogram");
    return found === undefined || found.type === "histogram" ? 0n : found.value;
  }
}

/** A metric's state. `value` is the number, or the sum of a histogram's samples; unsigned, 64 bits. */
export interface Metric {
  value: bigint;
  count: number;
  samples: bigint[];
}

/**
 * The metrics of one VM by the ids its guest uses. The low two bits of an id are the kind; each definition, also of a
 * name that is defined, takes the next id: 4, 8, … for counters, 5, 9, … for gauges, 6, 10, … for histograms.
 */
export class MetricTable {
  readonly #store: MetricStore;
  readonly #defined: readonly Metric[][] = METRIC_TYPES.map(() => []);

  constructor(store: MetricStore) {
    this.#store = store;
  }

  /** A new id, or `undefined` for a kind there is not. */
  define(type: number, name: string): number | undefined {
    const defined = this.#defined[type];
    if (defined === undefined) return undefined;
    return defined.push(this.#store.metric(type, name)) * KINDS + type;
  }

  /** Adds: to a counter more than 0, to a gauge what is wanted; a gauge below 0 wraps around. */
  increment(id: number, offset: bigint): Status {
    const type = id & KIND_MASK;
    if (type > MetricType.gauge) return Status.badArgument;
    const metric = this.#find(id);
    if (metric === undefined) return Status.notFound;
    if (type === MetricType.counter && offset <= 0n) return Status.badArgument;
    metric.value = BigInt.asUintN(64, metric.value + offset);
    return Status.ok;
  }

  /** Adds to a counter, sets a gauge, gives a histogram a sample. The value is taken as unsigned. */
  record(id: number, value: bigint): Status {
    const metric = this.#find(id);
    if (metric === undefined) return Status.notFound;
    const unsigned = BigInt.asUintN(64, value);
    if ((id & KIND_MASK) === MetricType.gauge) {
      metric.value = unsigned;
      return Status.ok;
    }
    metric.value = BigInt.asUintN(64, metric.value + unsigned);
    if ((id & KIND_MASK) === MetricType.histogram) {
      metric.samples[metric.count % SAMPLES_KEPT] = unsigned;
      metric.count += 1;
    }
    return Status.ok;
  }

  /** The value of a counter or gauge, or why there is none. */
  get(id: number): bigint | Status {
    if ((id & KIND_MASK) > MetricType.gauge) return Status.badArgument;
    return this.#find(id)?.value ?? Status.notFound;
  }

  #find(id: number): Metric | undefined {
    return this.#defined[id & KIND_MASK]?.[(id >>> KIND_BITS) - 1];
  }
}

function reading(type: MetricTypeName, name: string, metric: Metric): MetricReading {
  if (type !== "histogram") return { name, type, value: metric.value };
  const { samples, count, value: sum } = metric;
  const oldest = count > SAMPLES_KEPT ? count % SAMPLES_KEPT : 0;
  return { name, type, value: [...samples.slice(oldest), ...samples.slice(0, oldest)], count, sum };
}

const KIND_BITS = 2;
const KINDS = 1 << KIND_BITS;
const KIND_MASK = KINDS - 1;
