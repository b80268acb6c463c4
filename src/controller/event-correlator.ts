import { type Bucket, createBucket } from "./rate-limits.ts";

/** What tells events apart. */
export interface EventIdentity {
  /** Of the object it is about. */
  readonly about: string;
  /** Type, reason and action: events of one group are similar. */
  readonly group: string;
  readonly note: string;
}

/** What is to be done about one occurrence. */
export type Correlation =
  /** Nothing now: it is counted, and told with a later one. */
  | { readonly do: "count" }
  /** A new event, or one more of a series that `series` names. `combined`: it stands for similar ones. */
  | { readonly do: "send"; readonly series: Series; readonly combined: boolean };

/** Occurrences of the same event. */
export interface Series {
  /** Occurrences, also those that were not told. */
  count: number;
  /** Milliseconds since the epoch, of the last one. */
  lastAt: number;
  /** The object on the server, once there is one. */
  object: { readonly name: string; readonly namespace: string } | undefined;
  /** Occurrences the server knows of. */
  told: number;
}

/** Decides about occurrences. */
export interface EventCorrelator {
  observe(event: EventIdentity): Correlation;
  /** Series with occurrences that were not told; for the end of the program. */
  untold(): readonly Series[];
}

/** Different notes of one group in {@link SIMILAR_MS} before they are combined; as client-go. */
const MOST_SIMILAR = 10;
const SIMILAR_MS = 600_000;
/** Requests for one object: so many at once, then one in five minutes; as client-go. */
const BURST = 25;
const PER_SECOND = 1 / 300;
/** Objects, groups and series that are remembered: the oldest go first. */
const MOST_KEPT = 4096;

interface Group {
  readonly notes: Set<string>;
  lastAt: number;
}

/**
 * Keeps events from becoming a flood, as client-go's recorder does: equal ones are one series, more than ten similar
 * ones in ten minutes become one "combined" series, and each object has 25 requests at once and then one in 300 s.
 */
export function createCorrelator(clock: { now(): number; elapsed(): number }): EventCorrelator {
  const groups = createRecent<Group>();
  const series = createRecent<Series>();
  const buckets = createRecent<Bucket>();
  const isCombined = (event: EventIdentity): boolean => {
    const now = clock.elapsed();
    const key = JSON.stringify([event.about, event.group]);
    const known = groups.get(key);
    const group =
      known === undefined || now - known.lastAt > SIMILAR_MS ? { notes: new Set<string>(), lastAt: now } : known;
    group.lastAt = now;
    if (group.notes.size < MOST_SIMILAR) group.notes.add(event.note);
    groups.set(key, group);
    return !group.notes.has(event.note);
  };
  return {
    observe: (event) => {
      const combined = isCombined(event);
      const key = JSON.stringify([event.about, event.group, combined ? null : event.note]);
      const found = series.get(key) ?? { count: 0, lastAt: 0, object: undefined, told: 0 };
      found.count += 1;
      found.lastAt = clock.now();
      series.set(key, found);
      const bucket =
        buckets.get(event.about) ?? createBucket(() => clock.elapsed(), { perSecond: PER_SECOND, burst: BURST });
      buckets.set(event.about, bucket);
      return bucket.tryTake() ? { do: "send", series: found, combined } : { do: "count" };
    },
    untold: () => [...series.values()].filter((one) => one.object !== undefined && one.count > one.told),
  };
}

/** A map that forgets what was not used for longest. */
function createRecent<V>(): Pick<Map<string, V>, "get" | "set" | "values"> {
  const map = new Map<string, V>();
  return {
    get: (key) => map.get(key),
    set: (key, value) => {
      map.delete(key);
      if (map.size >= MOST_KEPT) map.delete(map.keys().next().value ?? "");
      return map.set(key, value);
    },
    values: () => map.values(),
  };
}
