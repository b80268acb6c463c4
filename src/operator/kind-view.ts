import { WasmeError } from "../domain/errors.ts";
import { keyOf, type StoreQuery } from "../controller/object-store.ts";
import {
  type ChangeListener,
  createReflector,
  type Reflector,
  type ReflectorOptions,
} from "../controller/reflector.ts";
import { type ResourceKind, resourceName } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { KubePort, Selection } from "../kube/port.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";

/** What a view is made with. */
export interface ViewDeps {
  readonly port: Pick<KubePort, "pages" | "watch">;
  readonly clock: SteadyClock;
  readonly log: Log;
}

/** Which objects of one kind are followed. */
export interface KindViewOptions extends ReflectorOptions {
  readonly kind: ResourceKind;
  /** The namespaces; all when absent. */
  readonly namespaces?: readonly string[] | undefined;
  readonly fieldSelector?: string;
  /** Without them there is work to do all the same: they are not waited for where all namespaces are refused either. */
  readonly dispensable?: boolean;
  /** The command that has the cluster serve the kind, for the log. */
  readonly install?: string;
  /** Told when the cluster begins or ceases to serve the kind. */
  readonly onServed?: (served: boolean) => void;
}

/** The objects of one kind, from one or several namespaces, as the server last told of them. */
export interface KindView {
  readonly kind: ResourceKind;
  /** Whether the cluster has the kind at all; true until it says otherwise. */
  readonly served: boolean;
  /**
   * Whether all objects have been seen once, or there can be none. Of several namespaces, one that we are refused for a
   * while is not waited for: it may be gone, and our rights there with it.
   */
  readonly settled: boolean;
  /** Why it cannot be followed now, in a namespace that is not passed over. */
  readonly trouble: string | undefined;
  /** Why namespaces are passed over: we are refused them for a while, and others are there. */
  readonly passedOver: string | undefined;
  /** True when every object there may be in this namespace (or everywhere) is followed. */
  covers(namespace: string | undefined): boolean;
  /** Whether all objects of the namespace have been seen once, or there can be none. */
  seen(namespace: string): boolean;
  get(namespace: string, name: string): KubeObject | undefined;
  list(query?: StoreQuery): readonly KubeObject[];
  onChange(listener: ChangeListener): void;
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Follows the objects of a kind. A kind that the cluster does not serve counts as one without objects, and is asked for
 * again and again: Istio may be installed later, or in another release.
 */
export function createKindView(deps: ViewDeps, options: KindViewOptions): KindView {
  const { kind, namespaces, fieldSelector, dispensable = false, onServed } = options;
  const howTo = options.install === undefined ? "" : `; to install it: ${options.install}`;
  const state = { served: true, wasAway: false };
  const tell = (served: boolean): void => {
    if (state.served === served) return;
    state.served = served;
    state.wasAway ||= !served;
    const name = resourceName(kind);
    if (served) deps.log.info(`${name} are served now`);
    else deps.log.warn(`${name} are not served by this cluster: waiting for their definition${howTo}`);
    // What is served now is told of once all of it is seen: before, nobody works with it.
    if (!served || reflectors.every((reflector) => reflector.state().synced)) onServed?.(served);
  };
  const refusals: Refusals = { since: new Map(), ever: new Set() };
  const port = noticing(deps, { tell, refusals });
  const selections: readonly Selection[] = (namespaces ?? [undefined]).map((namespace) => ({
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }));
  const reflectors = selections.map((selection) => createReflector({ ...deps, port }, selection, options));
  const isExcused = (reflector: Reflector): boolean => {
    const since = refusals.since.get(selections[reflectors.indexOf(reflector)]?.namespace ?? "");
    if (since === undefined || deps.clock.elapsed() - since < REFUSED_MS) return false;
    if (dispensable) return true;
    // Where all are refused, it is not the namespaces.
    return reflectors.map((other) => other.state()).some(({ synced, trouble }) => synced && trouble === undefined);
  };
  const troubles = (excused: boolean): readonly string[] =>
    reflectors
      .filter((reflector) => isExcused(reflector) === excused)
      .flatMap((reflector) => reflector.state().trouble ?? []);
  const first = (namespace: string): Reflector | undefined =>
    reflectors[namespaces === undefined ? 0 : namespaces.indexOf(namespace)];
  return {
    kind,
    get served() {
      return state.served;
    },
    get settled() {
      return !state.served || reflectors.every((reflector) => reflector.state().synced || isExcused(reflector));
    },
    get trouble() {
      return troubles(false)[0];
    },
    get passedOver() {
      const all = troubles(true);
      return all.length === 0 ? undefined : all.join("; ");
    },
    covers: (namespace) =>
      fieldSelector === undefined &&
      (namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace))),
    seen: (namespace) => !state.served || first(namespace)?.state().synced !== false,
    get: (namespace, name) => first(namespace)?.store.get(keyOf({ metadata: { namespace, name } })),
    list: (query = {}) => {
      const { namespace } = query;
      const some = namespace === undefined ? reflectors : [first(namespace)].filter((one) => one !== undefined);
      return some.flatMap((reflector) => reflector.store.list(query));
    },
    onChange: (listener) => {
      for (const reflector of reflectors) reflector.onChange(listener);
    },
    run: async (signal) => {
      await Promise.all(
        reflectors.map(async (reflector, index) => {
          void reflector.synced.then(() => {
            // What was not waited for is news when it is there after all.
            if (state.wasAway || refusals.ever.has(selections[index]?.namespace ?? "")) onServed?.(true);
          });
          await reflector.run(signal);
        }),
      );
    },
  };
}

/** The namespaces we are refused. */
interface Refusals {
  /** Those of now, since when, in the steady clock's milliseconds. */
  readonly since: Map<string, number>;
  readonly ever: Set<string>;
}

/**
 * A port that tells, of every list, whether the kind is served, and waits until it is: a list of what is not there yet is
 * no failure.
 */
function noticing(
  { port, clock, log }: ViewDeps,
  notes: { readonly tell: (served: boolean) => void; readonly refusals: Refusals },
): ViewDeps["port"] {
  const { tell, refusals } = notes;
  const noteRefusal = ({ kind, namespace }: Selection): void => {
    if (namespace === undefined || refusals.since.has(namespace)) return;
    refusals.since.set(namespace, clock.elapsed());
    refusals.ever.add(namespace);
    log.warn(`${resourceName(kind)} in ${namespace} may not be listed: the right is missing, or the namespace is gone`);
  };
  return {
    watch: port.watch.bind(port),
    pages: async function* (selection, signal) {
      for (;;) {
        try {
          yield* port.pages(selection, signal);
          refusals.since.delete(selection.namespace ?? "");
          // Not before the last page is kept: who is told looks at what there is.
          tell(true);
          return;
        } catch (error) {
          if (error instanceof WasmeError && error.code === "KUBE_FORBIDDEN") noteRefusal(selection);
          if (!(error instanceof WasmeError) || error.code !== "KUBE_KIND_NOT_SERVED") throw error;
          tell(false);
        }
        await clock.sleep(NOT_SERVED_MS, signal);
      }
    },
  };
}

const NOT_SERVED_MS = 3000;
/** Milliseconds for which a refusal may be one of the moment: rights that are made at the same time. */
const REFUSED_MS = 10_000;
