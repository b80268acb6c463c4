import { WasmeError } from "../../../src/domain/errors.ts";
import { applyMergePatch } from "../../../src/deploy/edit-workload.ts";
import { apiVersion, type ResourceKind, resourceName } from "../../../src/kube/kinds.ts";
import { at, type KubeObject } from "../../../src/kube/objects.ts";
import type { KubePort, ObjectRef } from "../../../src/kube/port.ts";

/**
 * An API server of one process, for what a real one cannot be made to do: every request waits for its `turn`, so that a
 * test can put the requests of several programs into any order. It keeps versions, uids and preconditions, merges what
 * is applied, and knows nothing of controllers, schemas or rights.
 */
export class MemoryCluster {
  readonly #objects = new Map<string, KubeObject>();
  /** Of all objects there ever were, by name. */
  readonly #kinds = new Map<string, ResourceKind>();
  /** Told after each write, with all there is. */
  onWrite: (objects: readonly KubeObject[]) => void = () => undefined;
  #last = 0;

  /** All objects of a kind. */
  all(kind: ResourceKind): readonly KubeObject[] {
    const prefix = `${resourceName(kind)} `;
    return [...this.#objects].filter(([key]) => key.startsWith(prefix)).map(([, object]) => object);
  }

  /** One object. */
  find(ref: ObjectRef): KubeObject | undefined {
    return this.#objects.get(keyOf(ref));
  }

  /** A port of a program of its own. */
  port(turn: () => Promise<void> = () => Promise.resolve()): KubePort {
    const now = async <T>(request: () => T): Promise<T> => {
      await turn();
      return request();
    };
    const list: KubePort["list"] = (selection) =>
      now(() => {
        const wanted = (selection.labelSelector ?? "").split(",").filter((pair) => pair !== "");
        const items = this.all(selection.kind).filter(
          ({ metadata }) =>
            (selection.namespace === undefined || metadata.namespace === selection.namespace) &&
            wanted.every((pair) => {
              const [key = "", value] = pair.split(/!?=/u);
              const own = metadata.labels?.[key];
              if (pair.includes("!=")) return own !== value;
              return value === undefined ? own !== undefined : own === value;
            }),
        );
        return { items, resourceVersion: String(this.#last) };
      });
    return {
      server: "https://memory",
      fieldManager: "wasme-cli",
      namespace: "shop",
      get: (ref) => now(() => this.find(ref)),
      list,
      pages: async function* (selection) {
        yield await list(selection);
      },
      apply: (kind, object) =>
        now(() => {
          const ref = refOf(kind, object);
          const managedFields = [{ manager: "wasme-cli", operation: "Apply" }];
          const wanted = { ...object, metadata: { ...object.metadata, managedFields } } as KubeObject;
          // What an earlier apply said and this one does not goes; into a ConfigMap others write, too.
          const base = kind.kind === "ConfigMap" ? (this.find(ref) ?? {}) : {};
          return this.#store(ref, applyMergePatch(base, wanted) as KubeObject);
        }),
      create: (kind, object) =>
        now(() => {
          const ref = refOf(kind, object);
          if (this.find(ref) !== undefined) throw refused("KUBE_ALREADY_EXISTS");
          return this.#store(ref, object);
        }),
      patch: (ref, patch) =>
        now(() => {
          const live = this.find(ref);
          if (live === undefined) throw refused("KUBE_NOT_FOUND");
          const version = at(patch, "metadata", "resourceVersion");
          if (version !== undefined && version !== live.metadata.resourceVersion) throw refused("KUBE_CONFLICT");
          return this.#store(ref, applyMergePatch(live, patch) as KubeObject);
        }),
      jsonPatch: () => Promise.reject(refused("KUBE_INVALID")),
      delete: (ref, { uid, resourceVersion } = {}) =>
        now(() => {
          const live = this.find(ref);
          if (live === undefined) return false;
          const { metadata } = live;
          const other = uid !== undefined && uid !== metadata.uid;
          const newer = resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion;
          if (other || newer) throw refused("KUBE_CONFLICT");
          this.#objects.delete(keyOf(ref));
          this.#told();
          return true;
        }),
      // Nothing here writes events, the only kind that is deleted like that.
      deleteAll: () => Promise.resolve(),
      version: () => Promise.resolve({ major: 1, minor: 36 }),
      served: () => Promise.resolve(true),
      kindsInNamespaces: () => now(() => [...this.#kinds.values()].filter(({ namespaced }) => namespaced)),
      accessReview: () => Promise.resolve(true),
      watch: async function* () {
        // Nobody is told of anything.
      },
      close: () => undefined,
    };
  }

  #store(ref: ObjectRef, object: KubeObject): KubeObject {
    this.#last += 1;
    const before = this.find(ref)?.metadata;
    const metadata = { ...object.metadata, uid: before?.uid ?? `uid-${this.#last}`, resourceVersion: `${this.#last}` };
    const stored = { ...object, apiVersion: apiVersion(ref.kind), kind: ref.kind.kind, metadata };
    this.#objects.set(keyOf(ref), stored);
    this.#kinds.set(resourceName(ref.kind), ref.kind);
    this.#told();
    return stored;
  }

  #told(): void {
    this.onWrite([...this.#objects.values()]);
  }
}

function refOf(kind: ResourceKind, { metadata }: KubeObject): ObjectRef {
  const { name, namespace } = metadata;
  return namespace === undefined ? { kind, name } : { kind, name, namespace };
}

function keyOf({ kind, namespace = "", name }: ObjectRef): string {
  return `${resourceName(kind)} ${namespace}/${name}`;
}

function refused(code: string): WasmeError {
  return new WasmeError("failed", code, code);
}
