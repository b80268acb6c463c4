import { digestParts } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { parseImageReference } from "../domain/image-reference.ts";
import { isObject } from "../domain/json.ts";
import { INSTALL_KIND } from "../deploy/install-operator.ts";
import { cacheUseOf } from "../deploy/our-objects.ts";
import { Kinds, type ResourceKind, workloadResource } from "../kube/kinds.ts";
import { type KubeObject, listAt, stringAt } from "../kube/objects.ts";
import { FILTER_DEPLOYMENT_LABEL, FILTER_LABEL } from "../mesh/names.ts";
import { WORKLOAD_KINDS } from "../domain/workload.ts";
import { filterIdOf } from "../domain/filter-deployment.ts";
import { createKindView, type KindView, type KindViewOptions, type ViewDeps } from "./kind-view.ts";
import { podFacts } from "./pod-facts.ts";
import type { CacheLocation, OperatorSettings } from "./settings.ts";

/** The kinds that carry filters. */
export const FILTER_KINDS: readonly ResourceKind[] = [Kinds.envoyFilter, Kinds.wasmPlugin, Kinds.trafficExtension];

/** Copies of everything the operator looks at. */
export interface ClusterView {
  readonly filterDeployments: KindView;
  /** Of each kind of workload. */
  readonly workloads: readonly KindView[];
  /** Of each kind that carries filters. */
  readonly filters: readonly KindView[];
  readonly pods: KindView;
  /** The cache's list and its nodes' reports; absent without a cache. */
  readonly configMaps: KindView | undefined;
  /** The node cache; its pods serve all namespaces. */
  readonly cache: CacheLocation | undefined;
  readonly all: readonly KindView[];
  /**
   * The view that knows all objects of a kind in a namespace; `undefined` when there is none, or when it has not seen them:
   * what is passed over is no place without objects.
   */
  find(kind: ResourceKind, namespace: string | undefined): KindView | undefined;
}

/** Index of a store of filter objects: FilterDeployments by uid and by label. */
export const OWNER_INDEX = "owner";
/** Index of the FilterDeployments by `namespace/id`, and of filter objects likewise. */
export const ID_INDEX = "id";
/** Index of filter objects by the entry of a cache they need: `namespace/name key`. */
export const USE_INDEX = "use";
/** Index of the FilterDeployments by the key of the image their status pins. */
export const IMAGE_INDEX = "image";

/** Makes the views; nothing is asked before they run. */
export function createClusterView(
  deps: ViewDeps,
  settings: Pick<OperatorSettings, "watchNamespaces" | "cache">,
  onServed: (kind: ResourceKind) => void,
): ClusterView {
  const namespaces = settings.watchNamespaces.length === 0 ? undefined : settings.watchNamespaces;
  const watched = (kind: ResourceKind, more: Partial<KindViewOptions> = {}): KindView =>
    createKindView(deps, { kind, namespaces, onServed: () => onServed(kind), ...more });
  const filterDeployments = watched(Kinds.filterDeployment, {
    transform: wishFacts,
    install: INSTALL_KIND,
    indexes: { [ID_INDEX]: idOfFilterDeployment, [IMAGE_INDEX]: imageOf },
  });
  const workloads = WORKLOAD_KINDS.map((kind) => watched(workloadResource(kind), { transform: workloadFacts }));
  const filters = FILTER_KINDS.map((kind) =>
    watched(kind, { indexes: { [OWNER_INDEX]: ownersOf, [ID_INDEX]: idOfFilter, [USE_INDEX]: useOf } }),
  );
  const { cache } = settings;
  const inCache = cache === undefined ? [] : [cache.namespace];
  const podsIn = namespaces === undefined ? undefined : [...new Set([...namespaces, ...inCache])];
  const pods = watched(Kinds.pod, { namespaces: podsIn, transform: podFacts });
  const configMaps =
    cache === undefined
      ? undefined
      : createKindView(deps, {
          kind: Kinds.configMap,
          namespaces: inCache,
          transform: (object) => object,
          // A cache that is gone with its namespace took our rights along: filters that need none go on.
          dispensable: true,
        });
  const all = [filterDeployments, ...workloads, ...filters, pods, ...(configMaps === undefined ? [] : [configMaps])];
  return {
    filterDeployments,
    workloads,
    filters,
    pods,
    configMaps,
    cache,
    all,
    find: (kind, namespace) =>
      all.find((view) => view.kind === kind && view.covers(namespace) && view.seen(namespace ?? "")),
  };
}

/** `namespace/id`: what two FilterDeployments must not share. */
export function idKey(namespace: string | undefined, id: string): string {
  return `${namespace ?? ""}/${id}`;
}

function idOfFilterDeployment(object: KubeObject): readonly string[] {
  const id = filterIdOf(object);
  return id === undefined ? [] : [idKey(object.metadata.namespace, id)];
}

function useOf(object: KubeObject): readonly string[] {
  const use = cacheUseOf(object);
  return use === undefined ? [] : [`${use.cache} ${use.key}`];
}

function imageOf(object: KubeObject): readonly string[] {
  const key = pinnedKey(object);
  return key === undefined ? [] : [key];
}

/** The key that the image a status pins has in the list of a cache. */
function pinnedKey(object: KubeObject): string | undefined {
  try {
    const { digest } = parseImageReference(stringAt(object, "status", "image") ?? "");
    if (digest === undefined) return undefined;
    const { algorithm, hex } = digestParts(digest);
    return `${algorithm}-${hex}`;
  } catch (error) {
    if (error instanceof WasmeError) return undefined;
    throw error;
  }
}

function idOfFilter(object: KubeObject): readonly string[] {
  const id = object.metadata.labels?.[FILTER_LABEL];
  return id === undefined ? [] : [idKey(object.metadata.namespace, id)];
}

/** Uids of owners, and the label: whichever of the two somebody took away, the other still tells. */
export function ownersOf(object: KubeObject): readonly string[] {
  const references = listAt(object, "metadata", "ownerReferences");
  const uids = references.flatMap((reference) =>
    isObject(reference) && reference["kind"] === Kinds.filterDeployment.kind && typeof reference["uid"] === "string"
      ? [reference["uid"]]
      : [],
  );
  const label = object.metadata.labels?.[FILTER_DEPLOYMENT_LABEL];
  return label === undefined ? uids : [...uids, ownerLabelKey(object.metadata.namespace, label)];
}

/** The value of {@link OWNER_INDEX} for the label of an owner. */
export function ownerLabelKey(namespace: string | undefined, label: string): string {
  return `label ${namespace ?? ""}/${label}`;
}

/** Who wrote an object tells whether it is our work; what each of them wrote is long and never looked at. */
function workloadFacts(object: KubeObject): KubeObject {
  const { managedFields = [], ...metadata } = object.metadata;
  const rows = managedFields.map(({ manager = "", operation = "" }) => ({ manager, operation }));
  return { ...object, metadata: { ...withoutCopy(metadata), managedFields: rows } };
}

function wishFacts(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: withoutCopy(metadata) };
}

/** Of what people write with `kubectl apply` there is a second copy, as text. */
function withoutCopy(metadata: KubeObject["metadata"]): KubeObject["metadata"] {
  if (metadata.annotations?.[LAST_APPLIED] === undefined) return metadata;
  const { [LAST_APPLIED]: _, ...annotations } = metadata.annotations;
  return { ...metadata, annotations };
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
