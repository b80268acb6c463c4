import { WasmeError } from "../domain/errors.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import type { StoreQuery } from "../controller/object-store.ts";
import { isKubeObject, type KubeObject } from "../kube/objects.ts";
import type { KubePort, ObjectRef, Selection, ServerVersion } from "../kube/port.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { type ClusterView, FILTER_KINDS } from "./cluster-view.ts";
import { Memory } from "./memory.ts";
import { refKey, refOf, Written } from "./written.ts";

/** What a port over a view is made with. */
export interface CachedPortDeps {
  readonly live: KubePort;
  readonly view: ClusterView;
  readonly clock: SteadyClock;
}

/** A port that reads from copies. */
export interface CachedPort extends KubePort {
  /** The port under it: for what has to be known of this very moment. Never written through. */
  readonly live: KubePort;
  /** True when this very version of the object is what we wrote ourselves: nobody has to look at it again. */
  isOwn(kind: ResourceKind, object: KubeObject): boolean;
  /** What is known of a kind, with what was just written. An index narrows what the view is asked for, no more. */
  known(kind: ResourceKind, query: StoreQuery & { readonly namespace: string }): readonly KubeObject[];
}

/**
 * A port whose reads are answered from the view where it knows the objects, and from a short memory for the few kinds
 * that are asked for one by one; writes go through. What was just written is read back as written until the view was
 * told of it, and what a write was refused for is read anew from the server.
 */
export function createCachedPort({ live, view, clock }: CachedPortDeps): CachedPort {
  const written = new Written(view);
  const versions = new Memory<ServerVersion>(clock, VERSION_MS);
  // What is not there may be made any moment: a node cache, say.
  const remembered = new Memory<KubeObject | undefined>(clock, (object) => (object === undefined ? 0 : REMEMBER_MS));
  const reread = (ref: ObjectRef, signal?: AbortSignal): Promise<KubeObject | undefined> =>
    written.keep(
      ref,
      () => live.get(ref, signal),
      (object) => object,
    );
  const get = async (ref: ObjectRef, signal?: AbortSignal): Promise<KubeObject | undefined> => {
    const own = view.find(ref.kind, ref.namespace);
    if (own === undefined) {
      if (!REMEMBERED.has(ref.kind)) return live.get(ref, signal);
      return remembered.get(refKey(ref), () => live.get(ref, signal));
    }
    if (written.isStale(ref)) return reread(ref, signal);
    const overlay = written.of(ref);
    return overlay === undefined ? own.get(ref.namespace ?? "", ref.name) : overlay.object;
  };
  const list = (selection: Selection): readonly KubeObject[] | undefined => {
    const own = view.find(selection.kind, selection.namespace);
    const labels = parseLabels(selection.labelSelector);
    const name = parseName(selection.fieldSelector);
    if (own === undefined || labels === undefined || name === "unknown") return undefined;
    const { namespace } = selection;
    const items =
      namespace !== undefined && name !== undefined
        ? [own.get(namespace, name.name)].filter((one) => one !== undefined)
        : own.list(namespace === undefined ? {} : { namespace });
    return written.over(selection, items).filter((object) => matches(object, labels, name?.name));
  };
  const writing = async <T>(ref: ObjectRef, dryRun: boolean | undefined, write: () => Promise<T>): Promise<T> => {
    if (dryRun === true) return write();
    try {
      return await written.keep(ref, write, (answer) => (isKubeObject(answer) ? answer : undefined));
    } catch (error) {
      if (error instanceof WasmeError && REREAD.has(error.code)) written.distrust(ref);
      throw error;
    }
  };
  const cached: KubePort = {
    ...live,
    get,
    list: async (selection, signal) => {
      const items = list(selection);
      return items === undefined ? live.list(selection, signal) : { items, resourceVersion: "" };
    },
    apply: (kind, object, options = {}) =>
      writing(refOf(kind, object), options.dryRun, () => live.apply(kind, object, options)),
    create: (kind, object, options = {}) =>
      writing(refOf(kind, object), options.dryRun, () => live.create(kind, object, options)),
    patch: (ref, patch, options = {}) => writing(ref, options.dryRun, () => live.patch(ref, patch, options)),
    jsonPatch: (ref, patch, options = {}) => writing(ref, options.dryRun, () => live.jsonPatch(ref, patch, options)),
    delete: (ref, options = {}) => writing(ref, options.dryRun, () => live.delete(ref, options)),
    version: (signal) => versions.get("", () => live.version(signal)),
    served: (kind, signal) => {
      const own = FILTER_KINDS.includes(kind) ? view.all.find((one) => one.kind === kind) : undefined;
      return own === undefined ? live.served(kind, signal) : Promise.resolve(own.served);
    },
  };
  return {
    ...cached,
    live,
    isOwn: (kind, object) => written.isOwn(refOf(kind, object), object),
    known: (kind, query) => {
      const own = view.find(kind, query.namespace);
      return own === undefined ? [] : written.over({ kind, namespace: query.namespace }, own.list(query));
    },
  };
}

/** `a=b,c`: values by key, `undefined` for any value. Nothing for selectors with something else in them. */
function parseLabels(selector: string | undefined): ReadonlyMap<string, string | undefined> | undefined {
  if (selector === undefined || selector === "") return new Map();
  const pairs = selector.split(",").map((pair) => /^([^=!<>()\s]+)(?:=([^=!<>()\s]*))?$/u.exec(pair));
  if (pairs.includes(null)) return undefined;
  return new Map(pairs.map((match) => [match?.[1] ?? "", match?.[2]]));
}

function parseName(selector: string | undefined): { readonly name: string } | "unknown" | undefined {
  if (selector === undefined || selector === "") return undefined;
  const [, name] = /^metadata\.name=([^,]+)$/u.exec(selector) ?? [];
  return name === undefined ? "unknown" : { name };
}

function matches(
  object: KubeObject,
  labels: ReadonlyMap<string, string | undefined>,
  name: string | undefined,
): boolean {
  if (name !== undefined && object.metadata.name !== name) return false;
  return [...labels].every(([key, value]) => {
    const own = object.metadata.labels?.[key];
    return value === undefined ? own !== undefined : own === value;
  });
}

/** Refusals that mean that what we know is not what there is. */
const REREAD: ReadonlySet<string> = new Set(["KUBE_CONFLICT", "KUBE_ALREADY_EXISTS", "KUBE_NOT_FOUND", "KUBE_INVALID"]);
/** Kinds of which single objects are read, the same ones again and again. */
const REMEMBERED: ReadonlySet<ResourceKind> = new Set([Kinds.namespace, Kinds.service, Kinds.daemonSet]);
const REMEMBER_MS = 10_000;
/** Servers are upgraded now and then. */
const VERSION_MS = 600_000;
