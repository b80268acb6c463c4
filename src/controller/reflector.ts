import { setMaxListeners } from "node:events";
import { messageOf } from "../domain/errors.ts";
import { resourceName } from "../kube/kinds.ts";
import { listWatch, type ListWatchDeps, type ListWatchStep } from "../kube/list-watch.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Selection, WatchEvent } from "../kube/port.ts";
import type { Log } from "../platform/json-log.ts";
import { createStore, type IndexFunction, keyOf, type ObjectStore, type WritableStore } from "./object-store.ts";

/** A difference of the store, told after it was made. */
export interface StoreChange {
  readonly key: string;
  /** Absent: the object is new. */
  readonly before?: KubeObject;
  /** Absent: the object is gone. */
  readonly after?: KubeObject;
  /** True for what was there when the reflector started: enqueue such keys with `LOW_PRIORITY`. */
  readonly initial: boolean;
}

/** Hears of changes. Must return at once: enqueue keys, do not work. */
export type ChangeListener = (change: StoreChange) => void;

/** Knobs of {@link createReflector}. */
export interface ReflectorOptions {
  /** What is kept of an object; all but `managedFields` when absent: often the largest part, and seldom read. */
  readonly transform?: (object: KubeObject) => KubeObject;
  /** Further ways to find objects, by name. */
  readonly indexes?: Readonly<Record<string, IndexFunction>>;
}

/** How a reflector does. */
export interface ReflectorState {
  /** Whether it has seen all objects once. */
  readonly synced: boolean;
  /** Why it cannot follow now; absent when it can. */
  readonly trouble?: string;
}

/** A copy of a set of objects that follows the server. */
export interface Reflector {
  /** `deployments.apps`, with its namespace if it has one: for messages and checks. */
  readonly name: string;
  readonly store: ObjectStore;
  /** Resolves when all objects that there were at the start are in the store. */
  readonly synced: Promise<void>;
  /** Adds a listener; it also hears of what the first list brings. Gives the way to take it off. */
  onChange(listener: ChangeListener): () => void;
  state(): ReflectorState;
  /** Follows until the signal ends it; never throws. Once. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Makes a reflector: a paged list, then watches with bookmarks; after a 410 a new list, whose differences to the store
 * are told (deletions as well). What fails is tried again for ever, logged once per change of message, and told by
 * `state`; a watch that RBAC refuses is such a failure, so that it heals when the rule comes.
 */
export function createReflector(
  deps: ListWatchDeps & { readonly log: Log },
  selection: Selection,
  options: ReflectorOptions = {},
): Reflector {
  return new KeptSet(deps, selection, options);
}

class KeptSet implements Reflector {
  readonly name: string;
  readonly synced: Promise<void>;
  readonly #deps: ListWatchDeps;
  readonly #log: Log;
  readonly #selection: Selection;
  readonly #transform: (object: KubeObject) => KubeObject;
  readonly #store: WritableStore;
  readonly #listeners = new Set<ChangeListener>();
  #resolveSynced: () => void = () => undefined;
  #isSynced = false;
  #trouble: string | undefined;
  /** Keys of the list that is under way. */
  #listed = new Set<string>();

  constructor(deps: ListWatchDeps & { readonly log: Log }, selection: Selection, options: ReflectorOptions) {
    const { namespace, kind } = selection;
    this.name = namespace === undefined ? resourceName(kind) : `${resourceName(kind)} in ${namespace}`;
    this.#deps = { port: deps.port, clock: deps.clock, onWatching: () => this.#well() };
    this.#log = deps.log.with({ reflector: this.name });
    this.#selection = selection;
    this.#transform = options.transform ?? withoutManagedFields;
    this.#store = createStore(options.indexes);
    this.synced = new Promise((resolve) => (this.#resolveSynced = resolve));
  }

  get store(): ObjectStore {
    return this.#store;
  }

  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  state(): ReflectorState {
    const trouble = this.#trouble;
    return trouble === undefined ? { synced: this.#isSynced } : { synced: this.#isSynced, trouble };
  }

  async run(signal: AbortSignal): Promise<void> {
    // One signal ends all reflectors of a program: more than ten listeners are no leak.
    setMaxListeners(0, signal);
    try {
      for await (const step of listWatch(this.#deps, this.#selection, signal)) {
        this.#take(step);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #take(step: ListWatchStep): void {
    if (step.type === "failed") this.#failed(step.error);
    else if (step.type === "listing") this.#listed = new Set();
    else if (step.type === "page") for (const item of step.items) this.#listed.add(this.#put(item));
    else if (step.type === "listed") this.#listedAll();
    else this.#changed(step.event);
  }

  #failed(error: unknown): void {
    const message = messageOf(error);
    if (this.#trouble !== message) this.#log.warn(`cannot follow ${this.name}, trying again`, { error });
    this.#trouble = message;
  }

  #well(): void {
    if (this.#trouble !== undefined) this.#log.info(`following ${this.name} again`);
    this.#trouble = undefined;
  }

  #listedAll(): void {
    for (const key of this.#store.keys()) if (!this.#listed.has(key)) this.#remove(key);
    this.#listed = new Set();
    if (!this.#isSynced) this.#log.debug(`${this.name}: ${this.#store.size} objects`);
    this.#isSynced = true;
    this.#resolveSynced();
  }

  #changed({ type, object }: WatchEvent): void {
    if (type === "DELETED") this.#remove(keyOf(object));
    else if (type !== "BOOKMARK") this.#put(object);
  }

  #put(whole: KubeObject): string {
    const key = keyOf(whole);
    const after = this.#transform(whole);
    const before = this.#store.get(key);
    const version = whole.metadata.resourceVersion;
    if (before !== undefined && version !== undefined && before.metadata.resourceVersion === version) return key;
    this.#store.set(key, after);
    this.#tell({ key, after, initial: !this.#isSynced, ...(before === undefined ? {} : { before }) });
    return key;
  }

  #remove(key: string): void {
    const before = this.#store.delete(key);
    if (before !== undefined) this.#tell({ key, before, initial: false });
  }

  #tell(change: StoreChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#log.error(`a bug: a listener broke on ${change.key}`, { error });
      }
    }
  }
}

function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields, ...metadata } = object.metadata;
  return managedFields === undefined ? object : { ...object, metadata };
}
