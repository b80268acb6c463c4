import { hostname } from "node:os";
import { createController } from "../controller/controller.ts";
import { partsOf } from "../controller/object-store.ts";
import { createRecorder } from "../controller/event-recorder.ts";
import { guardWrites } from "../controller/guard-writes.ts";
import { startHealthServer } from "../controller/health-server.ts";
import { createHealth, type Health } from "../controller/health.ts";
import { type Leadership, leaderIdentity, runLeaderElection } from "../controller/leader-election.ts";
import type { Metrics } from "../controller/metrics.ts";
import { Kinds, resourceName } from "../kube/kinds.ts";
import type { KubePort } from "../kube/port.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import { spareForSmoke } from "../images/smoke-module.ts";
import type { SpareThread } from "../isolate/spare-thread.ts";
import { createCachedPort } from "./cached-port.ts";
import { type ClusterView, createClusterView } from "./cluster-view.ts";
import { INSTALL_KIND } from "../deploy/install-operator.ts";
import { Images, type ImagesDeps } from "./images.ts";
import { Later } from "./later.ts";
import { createReconcile } from "./reconciler.ts";
import type { OperatorSettings } from "./settings.ts";
import { TRIAL_HEAP_MEGABYTES, Verifier } from "./verify-filter.ts";
import { Waits } from "./waits.ts";
import { type Enqueue, wakeAll, wakeOnChanges } from "./wake.ts";
import { warmUp } from "./warm-up.ts";
import { CONTROLLER } from "./work.ts";

/** What the operator needs of the outside. */
export interface OperatorDeps {
  /** Writes as `wasme-operator`. */
  readonly port: KubePort;
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Makes a registry client. */
  readonly connectRegistry: ImagesDeps["connect"];
  /** The program's version. */
  readonly version: string;
  /** Name of the pod, or of the host. */
  readonly instance?: string | undefined;
  /** Ends it gracefully. */
  readonly signal: AbortSignal;
}

/** Where it listens. */
export interface ListenAt {
  readonly host: string;
  readonly port: number;
}

/** Told when something begins, for tests and the log. */
export interface OperatorHooks {
  /** The server for health and metrics answers here. */
  readonly onListening?: (url: string) => void;
  /** It leads and works. */
  readonly onWorking?: () => void;
}

/**
 * Runs the operator until the signal ends it: follows the cluster, waits for the lead, then reconciles. A kind that is not
 * there yet, a server that is away, a right that is missing: it says so, is not ready, and waits. Throws `LEADER_LOST`
 * when another one took the lead, and `ADDRESS_IN_USE` and its like.
 */
export async function runOperator(
  deps: OperatorDeps,
  settings: OperatorSettings & { readonly listen: ListenAt },
  hooks: OperatorHooks = {},
): Promise<void> {
  const { log, metrics, signal, clock, port } = deps;
  const instance = deps.instance ?? hostname();
  const spare = spareForSmoke(TRIAL_HEAP_MEGABYTES);
  const health = createHealth({ metrics });
  const server = await startHealthServer({ ...settings.listen, health, log });
  hooks.onListening?.(server.url);
  log.info("listening", { url: server.url });
  const over = new AbortController();
  const queue: { enqueue: Enqueue } = { enqueue: () => undefined };
  const view: ClusterView = createClusterView({ port, clock, log }, settings, () =>
    wakeAll(view, (key, options) => queue.enqueue(key, options)),
  );
  checkView(health, view);
  const following = Promise.all(view.all.map((kind) => kind.run(over.signal)));
  const toWarm = { spare, connect: deps.connectRegistry, clock, url: server.url, signal: over.signal };
  const warm = warmUp(toWarm).catch((error: unknown) => {
    // The first trial will say the same.
    if (!over.signal.aborted) log.debug("the first trial is not prepared", { error });
  });
  const lead = (leadership: Leadership): Promise<void> =>
    work({ deps, settings, view, queue, spare, instance, hooks }, leadership);
  try {
    if (!settings.leaderElect) await lead(ALWAYS);
    else {
      const lease = { namespace: settings.namespace, name: settings.lease };
      const onStatus = (leads: boolean): void => metrics.leads(settings.lease, leads);
      await runLeaderElection({ port, clock, log, lease, identity: leaderIdentity(instance), onStatus }, lead, signal);
    }
  } finally {
    health.shutDown();
    over.abort();
    await Promise.all([following, warm, spare.close()]);
    await server.close(GRACE_MS);
  }
}

interface Working {
  readonly deps: OperatorDeps;
  readonly settings: OperatorSettings;
  readonly view: ClusterView;
  readonly queue: { enqueue: Enqueue };
  readonly spare: SpareThread;
  readonly instance: string;
  readonly hooks: OperatorHooks;
}

/** Reconciles until the end or the loss of the lead. */
async function work(
  { deps, settings, view, queue, spare, instance, hooks }: Working,
  leadership: Leadership,
): Promise<void> {
  const { log, metrics, clock, signal } = deps;
  const live = guardWrites(deps.port, leadership);
  const port = createCachedPort({ live, view, clock });
  const recorder = createRecorder({ port: live, clock, log, controller: CONTROLLER, instance });
  const images = new Images({ connect: deps.connectRegistry, clock, resolveMs: settings.resolveMs });
  const announced = new Map<string, string>();
  const later = new Later(clock, PATIENCE_MS);
  const verifier = new Verifier({
    most: VERIFIED_AT_ONCE,
    largest: settings.maxModule,
    version: deps.version,
    elapsed: () => clock.elapsed(),
    spare,
    onRun: countRuns(metrics),
  });
  const controller = createController({
    name: "filterdeployment",
    clock,
    log,
    workers: settings.workers,
    maxMs: LONGEST_PAUSE_MS,
    perSecond: RETRIES_PER_SECOND,
    reconcile: createReconcile({
      port,
      view,
      clock,
      images,
      verifier,
      later,
      recorder,
      log,
      settings,
      announced,
      waits: new Waits(clock),
    }),
    observe: metrics.observe("filterdeployment", settings.workers),
  });
  queue.enqueue = (key, options) => {
    if (isWhole(view, partsOf(key).namespace ?? "")) controller.enqueue(key, options);
  };
  later.onAnswer = (key) => queue.enqueue(key);
  try {
    await settled(view, { clock, log, signal: AbortSignal.any([signal, leadership.lost]) });
    wakeOnChanges({ view, port, announced, clock, log }, queue.enqueue);
    wakeAll(view, queue.enqueue);
    hooks.onWorking?.();
    log.info("reconciling", { filterDeployments: view.filterDeployments.list().length });
    await controller.run({ stop: signal, abort: leadership.lost });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    queue.enqueue = () => undefined;
    later.close();
    await Promise.race([recorder.flush(), clock.sleep(FLUSH_MS)]);
    images.close();
  }
}

/** Whether all of a namespace is known: half of it would take workloads for gone. Whoever is not looked at is woken later. */
function isWhole({ filterDeployments, workloads, filters, pods }: ClusterView, namespace: string): boolean {
  return [filterDeployments, ...workloads, ...filters, pods].every((kind) => kind.seen(namespace));
}

/** Waits until everything there is has been seen: half a view would take objects for leftovers. */
async function settled(
  view: ClusterView,
  deps: { readonly clock: SteadyClock; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  let said = "";
  for (;;) {
    const open = view.all.filter((kind) => !kind.settled);
    if (open.length === 0) return;
    const names = open.map(({ kind }) => resourceName(kind)).join(", ");
    if (names !== said) deps.log.info(`waiting to see all ${names}`);
    said = names;
    await deps.clock.sleep(LOOK_MS, deps.signal);
  }
}

/** Not ready while something cannot be followed; a missing kind of Istio's is no such thing, that of FilterDeployments is. */
function checkView(health: Health, view: ClusterView): void {
  for (const kind of view.all) {
    health.addReady(resourceName(kind.kind), () => {
      if (kind.served) return kind.trouble ?? (kind.settled ? undefined : "not seen yet");
      if (kind.kind !== Kinds.filterDeployment) return undefined;
      return `the kind is not installed: ${INSTALL_KIND}`;
    });
    // A roll-out of the operator must not wait for a namespace that may never come back.
    health.addRemark(resourceName(kind.kind), () => kind.passedOver && `passed over: ${kind.passedOver}`);
  }
}

function countRuns(metrics: Metrics): (ok: boolean, ms: number) => void {
  const seconds = metrics.histogram("wasme_filter_verification_seconds", "Time it took to run a module on trial.", {
    labels: ["result"],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  return (ok, ms) => seconds.observe({ result: ok ? "accepted" : "refused" }, ms / 1000);
}

/** Without election nobody else can lead. */
const ALWAYS: Leadership = { lost: new AbortController().signal, leads: () => true };
const VERIFIED_AT_ONCE = 2;
/** Milliseconds a worker waits for a registry or a trial before it takes another object. */
const PATIENCE_MS = 300;
/** Milliseconds between two looks at what goes no further: whoever mends something elsewhere waits for it. */
const LONGEST_PAUSE_MS = 30_000;
/** Looks again a second, of all together: enough for more than a thousand that wait for the same thing. */
const RETRIES_PER_SECOND = 50;
const GRACE_MS = 5000;
const FLUSH_MS = 2000;
const LOOK_MS = 20;
