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
  /** Told when the cluster begins or ceases to serve the kind. */
  readonly onServed?: (served: boolean) => void;
}

/** The objects of one kind, from one or several namespaces, as the server last told of them. */
export interface KindView {
  readonly kind: ResourceKind;
  /** Whether the cluster has the kind at all; true until it says otherwise. */
  readonly served: boolean;
  /** Whether all objects have been seen once, or there can be none. */
  readonly settled: boolean;
  /** Why it cannot be followed now. */
  readonly trouble: string | undefined;
  /** True when every object there may be in this namespace (or everywhere) is known. */
  covers(namespace: string | undefined): boolean;
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
  const { kind, namespaces, fieldSelector, onServed } = options;
  const state = { served: true };
  const tell = (served: boolean): void => {
    if (state.served === served) return;
    state.served = served;
    const name = resourceName(kind);
    if (served) deps.log.info(`${name} are served now`);
    else deps.log.warn(`${name} are not served by this cluster: waiting for their definition`);
    onServed?.(served);
  };
  const port = noticing(deps, tell);
  const selections: readonly Selection[] = (namespaces ?? [undefined]).map((namespace) => ({
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }));
  const reflectors = selections.map((selection) => createReflector({ ...deps, port }, selection, options));
  const first = (namespace: string): Reflector | undefined =>
    reflectors[namespaces === undefined ? 0 : namespaces.indexOf(namespace)];
  return {
    kind,
    get served() {
      return state.served;
    },
    get settled() {
      return !state.served || reflectors.every((reflector) => reflector.state().synced);
    },
    get trouble() {
      return reflectors.map((reflector) => reflector.state().trouble).find((trouble) => trouble !== undefined);
    },
    covers: (namespace) =>
      fieldSelector === undefined &&
      (namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace))),
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
      await Promise.all(reflectors.map((reflector) => reflector.run(signal)));
    },
  };
}

/**
 * A port that tells, of every list, whether the kind is served, and waits until it is: a list of what is not there yet is
 * no failure.
 */
function noticing(deps: ViewDeps, tell: (served: boolean) => void): ViewDeps["port"] {
  const { port, clock } = deps;
  return {
    watch: port.watch.bind(port),
    pages: async function* (selection, signal) {
      for (;;) {
        try {
          yield* port.pages(selection, signal);
          // Not before the last page is kept: who is told looks at what there is.
          tell(true);
          return;
        } catch (error) {
          if (!(error instanceof WasmeError) || error.code !== "KUBE_KIND_NOT_SERVED") throw error;
          tell(false);
        }
        await clock.sleep(NOT_SERVED_MS, signal);
      }
    },
  };
}

const NOT_SERVED_MS = 3000;
