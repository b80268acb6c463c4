import type { KubeObject } from "../kube/objects.ts";

/** `namespace/name`, or the name of a cluster-scoped object: the key of stores and queues. */
export function keyOf(object: { readonly metadata: { readonly name: string; readonly namespace?: string } }): string {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The parts of a key. */
export function partsOf(key: string): { readonly name: string; readonly namespace?: string } {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Which objects of a store; all conditions have to hold. */
export interface StoreQuery {
  readonly namespace?: string;
  /** Labels an object must have, with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  /** A value of an index: see `ReflectorOptions.indexes`. */
  readonly index?: { readonly name: string; readonly value: string };
}

/** What is known of a set of objects. They are shared: never change one. */
export interface ObjectStore {
  get(key: string): KubeObject | undefined;
  /** Matching objects, in no order. */
  list(query?: StoreQuery): readonly KubeObject[];
  readonly size: number;
}

/** Values an object is found by. */
export type IndexFunction = (object: KubeObject) => readonly string[];

/** A store and the way to write it; for reflectors. */
export interface WritableStore extends ObjectStore {
  /** Gives what was there before. */
  set(key: string, object: KubeObject): KubeObject | undefined;
  delete(key: string): KubeObject | undefined;
  keys(): IterableIterator<string>;
}

/** An empty store with an index by namespace and these. */
export function createStore(indexes: Readonly<Record<string, IndexFunction>> = {}): WritableStore {
  const objects = new Map<string, KubeObject>();
  const functions: Readonly<Record<string, IndexFunction>> = { ...indexes, [NAMESPACE]: namespaceOf };
  const found = new Map<string, Map<string, Set<string>>>(Object.keys(functions).map((name) => [name, new Map()]));
  const index = (key: string, object: KubeObject, add: boolean): void => {
    for (const [name, valuesOf] of Object.entries(functions)) {
      const byValue = found.get(name);
      for (const value of valuesOf(object)) {
        const keys = byValue?.get(value) ?? new Set();
        if (add) byValue?.set(value, keys.add(key));
        else if (keys.delete(key) && keys.size === 0) byValue?.delete(value);
      }
    }
  };
  const drop = (key: string): KubeObject | undefined => {
    const before = objects.get(key);
    if (before !== undefined) index(key, before, false);
    objects.delete(key);
    return before;
  };
  const candidates = ({ namespace, index: wanted }: StoreQuery): Iterable<string> => {
    if (wanted !== undefined) {
      const byValue = found.get(wanted.name);
      if (byValue === undefined) throw new TypeError(`the store has no index ${JSON.stringify(wanted.name)}`);
      return byValue.get(wanted.value) ?? [];
    }
    return namespace === undefined ? objects.keys() : (found.get(NAMESPACE)?.get(namespace) ?? []);
  };
  return {
    get: (key) => objects.get(key),
    list: (query = {}) => {
      const matching: KubeObject[] = [];
      for (const key of candidates(query)) {
        const object = objects.get(key);
        if (object !== undefined && matches(object, query)) matching.push(object);
      }
      return matching;
    },
    get size() {
      return objects.size;
    },
    set: (key, object) => {
      const before = drop(key);
      objects.set(key, object);
      index(key, object, true);
      return before;
    },
    delete: drop,
    keys: () => objects.keys(),
  };
}

/** Starts with a character no name of an index of ours has. */
const NAMESPACE = "\0namespace";

function namespaceOf(object: KubeObject): readonly string[] {
  const { namespace } = object.metadata;
  return namespace === undefined ? [] : [namespace];
}

function matches(object: KubeObject, { namespace, labels = {} }: StoreQuery): boolean {
  if (namespace !== undefined && object.metadata.namespace !== namespace) return false;
  return Object.entries(labels).every(([name, value]) => object.metadata.labels?.[name] === value);
}
