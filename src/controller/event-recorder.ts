import { randomBytes } from "node:crypto";
import { messageOf, WasmeError } from "../domain/errors.ts";
import { apiVersion, Kinds } from "../kube/kinds.ts";
import type { KubePort } from "../kube/port.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import { createCorrelator, type Series } from "./event-correlator.ts";
import { clipText, EVENT_LIMITS, eventName } from "./event-text.ts";
import { microTime } from "./micro-time.ts";

/** The object an event is about, as far as it is known. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    /** Absent for cluster-scoped objects: their events go to `default`. */
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
}

/** Something that happened to an object, for `kubectl describe` and `kubectl get events`. */
export interface RecordedEvent {
  readonly about: EventSubject;
  readonly type: "Normal" | "Warning";
  /** Upper camel case, for machines: `ImageAdded`. */
  readonly reason: string;
  /** What was being done, upper camel case: `Pull`. */
  readonly action: string;
  /** One sentence, for people. */
  readonly note: string;
  /** A second object that has to do with it. */
  readonly related?: EventSubject;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The beginning of the event's name; the subject's name when absent. */
  readonly namePrefix?: string;
}

/** Writes events. They are courtesy, not state: some may get lost, and nothing waits for them. */
export interface Recorder {
  /** Returns at once and never throws. */
  record(event: RecordedEvent): void;
  /** Waits until what was recorded is sent or given up; tells counts that were held back as well. */
  flush(): Promise<void>;
}

/** What a recorder needs. */
export interface RecorderDeps {
  readonly port: Pick<KubePort, "create" | "patch">;
  readonly clock: SteadyClock;
  readonly log: Log;
  /** Domain-qualified, of the program: `wasme.io/operator`. */
  readonly controller: string;
  /** Of this process: the pod's or host's name. */
  readonly instance: string;
}

/** Events that may wait; further ones are lost. */
const MOST_WAITING = 500;

/** Makes a recorder of `events.k8s.io/v1`; see {@link createCorrelator} for what becomes of many. Needs `create` and `patch`. */
export function createRecorder(deps: RecorderDeps): Recorder {
  const correlator = createCorrelator(deps.clock);
  let sending = Promise.resolve();
  let waiting = 0;
  let said = "";
  const enqueue = (task: () => Promise<void>): void => {
    waiting += 1;
    sending = sending
      .then(task)
      .then(() => void (said = ""))
      .catch((error: unknown) => {
        // Not the message: it names the event, and each has a name of its own.
        const code = error instanceof WasmeError ? error.code : messageOf(error);
        if (said !== code) deps.log.warn("cannot write an event", { error });
        said = code;
      })
      .finally(() => (waiting -= 1));
  };
  return {
    record: (event) => {
      const about = JSON.stringify([event.about.apiVersion, event.about.kind, event.about.metadata]);
      const group = JSON.stringify([event.type, event.reason, event.action, event.labels ?? {}]);
      const decided = correlator.observe({ about: subjectKey(event, about), group, note: event.note });
      if (decided.do === "count" || waiting >= MOST_WAITING) return;
      enqueue(() => send(deps, event, decided));
    },
    flush: async () => {
      for (const series of correlator.untold()) enqueue(async () => void (await tellCount(deps, series)));
      await sending;
    },
  };
}

/** One object whatever its version. */
function subjectKey({ about }: RecordedEvent, otherwise: string): string {
  return about.metadata.uid ?? otherwise;
}

async function send(
  deps: RecorderDeps,
  event: RecordedEvent,
  { series, combined }: { readonly series: Series; readonly combined: boolean },
): Promise<void> {
  if (series.object !== undefined && (await tellCount(deps, series))) return;
  const note = combined ? `(combined from similar events): ${event.note}` : event.note;
  const made = eventObject(deps, { ...event, note }, series);
  const { count } = series;
  await deps.port.create(Kinds.event, made);
  series.object = { name: made.metadata.name, namespace: made.metadata.namespace };
  series.told = count;
}

/** `false` when the event is no longer there: the server keeps them for an hour. */
async function tellCount({ port }: RecorderDeps, series: Series): Promise<boolean> {
  const { object, count, lastAt } = series;
  if (object === undefined) return false;
  if (count === series.told) return true;
  try {
    const patch = { series: { count: Math.max(2, count), lastObservedTime: microTime(lastAt) } };
    await port.patch({ kind: Kinds.event, ...object }, patch);
    series.told = count;
    return true;
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "KUBE_NOT_FOUND") throw error;
    series.object = undefined;
    return false;
  }
}

function eventObject(deps: RecorderDeps, event: RecordedEvent, series: Series): EventObject {
  const { about, related, labels, annotations } = event;
  const unique = randomBytes(8).toString("hex");
  return {
    apiVersion: apiVersion(Kinds.event),
    kind: Kinds.event.kind,
    metadata: {
      name: eventName(event.namePrefix ?? about.metadata.name, unique),
      namespace: about.metadata.namespace ?? "default",
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    eventTime: microTime(series.lastAt),
    reportingController: deps.controller,
    reportingInstance: clipText(deps.instance, EVENT_LIMITS.instance),
    type: event.type,
    reason: clipText(event.reason, EVENT_LIMITS.reason),
    action: clipText(event.action, EVENT_LIMITS.action),
    note: clipText(event.note, EVENT_LIMITS.note),
    regarding: reference(about),
    ...(related === undefined ? {} : { related: reference(related) }),
    // A series forgotten by the server goes on in a new object: its count must not be lost.
    ...(series.count < 2 ? {} : { series: { count: series.count, lastObservedTime: microTime(series.lastAt) } }),
  };
}

interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly [field: string]: unknown;
}

function reference({ apiVersion: version, kind, metadata }: EventSubject): Record<string, unknown> {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion: version, kind, name, namespace, uid, resourceVersion };
}
